-- What a contender stored, as figures that can be compared: counts, sums and hashes that do not depend on the order.
-- Input: schema clickstream. Grain: one row.
with hashed as (
    select
        ('x' || left(md5(sessions::text), 15))::bit(60)::bigint as everything,
        ('x' || left(md5(concat_ws('|', user_id, started_ms, ended_ms, events)), 15))::bit(60)::bigint as visit,
        ('x' || left(md5(concat_ws(
            '|', user_id, started_ms, ended_ms, events, page_views, clicks, scrolls, searches, item_views, cart_adds,
            cart_removals, checkouts, payment_infos, purchases, sign_ups, logins, revenue_e4, entry_page, exit_page,
            array_to_string(path, '>'), client_session_min, client_session_max, engaged::int, converted::int,
            quarantined::int
        )), 15))::bit(60)::bigint as facts,
        ('x' || left(md5(concat_ws(
            '|', user_id, started_ms, (extract(epoch from first_search_at) * 1000)::bigint,
            (extract(epoch from first_item_view_at) * 1000)::bigint,
            (extract(epoch from first_cart_add_at) * 1000)::bigint,
            (extract(epoch from first_checkout_at) * 1000)::bigint,
            (extract(epoch from first_payment_info_at) * 1000)::bigint,
            (extract(epoch from first_purchase_at) * 1000)::bigint,
            (extract(epoch from first_sign_up_at) * 1000)::bigint
        )), 15))::bit(60)::bigint as first_times,
        ('x' || left(md5(concat_ws('|', user_id, started_ms, bot)), 15))::bit(60)::bigint as bots,
        ('x' || left(md5(concat_ws(
            '|', user_id, started_ms, source, medium, campaign, channel, referrer_medium, device, os, browser,
            browser_version
        )), 15))::bit(60)::bigint as touch
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
),

page_groups as (
    select
        page_group,
        sum(views) as views
    from clickstream.page_minute
    group by page_group
),

products as (
    select
        product_id,
        category,
        page_group,
        count(*) as events
    from clickstream.events
    group by product_id, category, page_group
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
    (select sum(first_times) from hashed) as session_first_times,
    (select sum(bots) from hashed) as session_bots,
    (select sum(touch) from hashed) as session_first_touch,
    (select sum(everything) from hashed) as session_rows,
    (
        select sum(('x' || left(md5(session_anomalies::text), 15))::bit(60)::bigint) from clickstream.session_anomalies
    ) as session_anomalies,
    (
        select
            sum(
                ('x' || left(md5(concat_ws('|', day - date '1970-01-01', step, source, target, sessions)), 15))
                ::bit(60)::bigint
            )
        from clickstream.journey_links
        where sessions <> 0
    ) as journey_links,
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
        select sum(('x' || left(md5(concat_ws('|', page_group, views)), 15))::bit(60)::bigint) from page_groups
    ) as page_groups,
    (select sum(('x' || left(md5(products::text), 15))::bit(60)::bigint) from products) as event_products,
    (
        select sum(('x' || left(md5(traffic_minute::text), 15))::bit(60)::bigint) from clickstream.traffic_minute
    ) as traffic_rows,
    (select sum(('x' || left(md5(page_minute::text), 15))::bit(60)::bigint) from clickstream.page_minute) as page_rows,
    (select sum(('x' || left(md5(load_minute::text), 15))::bit(60)::bigint) from clickstream.load_minute) as load_rows,
    (select sum(read - accepted - duplicate - rejected) from clickstream.stream_slices) as unaccounted
