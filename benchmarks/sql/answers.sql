-- What a contender stored, as figures that can be compared: counts, sums and hashes that do not depend on the order.
-- Input: schema clickstream. Grain: one row.
with hashed as (
    select
        ('x' || left(md5(sessions::text), 15))::bit(60)::bigint as everything,
        ('x' || left(md5(concat_ws('|', user_id, started_ms, ended_ms, events)), 15))::bit(60)::bigint as visit,
        ('x' || left(md5(concat_ws(
            '|', user_id, started_ms, ended_ms, events, page_views, purchases, revenue_e4, entry_page, exit_page,
            array_to_string(path, '>')
        )), 15))::bit(60)::bigint as facts
    from clickstream.sessions,
        lateral (
            select
                (extract(epoch from started_at) * 1000)::bigint as started_ms,
                (extract(epoch from ended_at) * 1000)::bigint as ended_ms
        ) as times
),

minutes as (
    select
        (extract(epoch from minute) * 1000)::bigint as minute_ms,
        event_type,
        sum(events) as events,
        sum(revenue_e4) as revenue_e4
    from clickstream.traffic_minute
    group by minute, event_type
),

totals as (
    select
        minute_ms,
        sum(events) as events
    from minutes
    group by minute_ms
),

pages as (
    select
        (extract(epoch from minute) * 1000)::bigint as minute_ms,
        page_path,
        sum(views) as views
    from clickstream.page_minute
    group by minute, page_path
)

select
    (select count(*) from clickstream.event_ids) as ids,
    (select count(*) from clickstream.events) as events,
    (
        select string_agg(format('%s %s', reason, letters), ', ' order by reason)
        from (select
            reason,
            count(*) as letters
        from clickstream.dead_letters
        group by reason) as counted
    ) as dead_letters,
    (select count(*) from hashed) as sessions,
    (select sum(visit) from hashed) as session_spans,
    (select sum(facts) from hashed) as session_facts,
    (select sum(everything) from hashed) as session_rows,
    (select sum(events) from minutes) as minute_events,
    (
        select sum(('x' || left(md5(concat_ws('|', minute_ms, events)), 15))::bit(60)::bigint) from totals
    ) as minutes,
    (
        select sum(('x' || left(md5(concat_ws('|', minute_ms, event_type, events, revenue_e4)), 15))::bit(60)::bigint)
        from minutes
    ) as minute_types,
    (select sum(views) from pages) as views,
    (
        select sum(('x' || left(md5(concat_ws('|', minute_ms, page_path, views)), 15))::bit(60)::bigint) from pages
    ) as minute_pages,
    (
        select sum(('x' || left(md5(traffic_minute::text), 15))::bit(60)::bigint) from clickstream.traffic_minute
    ) as traffic_rows,
    (select sum(('x' || left(md5(page_minute::text), 15))::bit(60)::bigint) from clickstream.page_minute) as page_rows,
    (select sum(('x' || left(md5(load_minute::text), 15))::bit(60)::bigint) from clickstream.load_minute) as load_rows,
    (select sum(read - accepted - duplicate - rejected) from clickstream.stream_slices) as unaccounted
