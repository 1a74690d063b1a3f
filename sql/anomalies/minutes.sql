-- What the detectors judge. Parameters: first, last (timestamptz, whole minutes, both inclusive).
-- Grain: one row for each minute in order, with zeros where nothing happened. People only; `seen` and `read` tell
-- whether there was anything at all. checkouts, purchases and revenue are of ten minutes up to the end of the minute,
-- as far as they lie in the range: too few in the first nine.
with minutes as (
    select generate_series(%(first)s::timestamptz, %(last)s::timestamptz, interval '1 minute') as minute
),

traffic as (
    select
        minute,
        sum(events) as seen,
        sum(events) filter (where not is_bot) as events,
        sum(events) filter (where not is_bot and event_type = 'begin_checkout') as checkouts,
        sum(events) filter (where not is_bot and event_type = 'purchase') as purchases,
        sum(revenue_e4) filter (where not is_bot and event_type = 'purchase') as revenue_e4
    from clickstream.traffic_minute
    where minute between %(first)s::timestamptz and %(last)s::timestamptz
    group by minute
),

page_loads as (
    select
        minute,
        array_agg(bucket order by bucket) as buckets,
        array_agg(loads order by bucket) as loads
    from clickstream.load_minute
    where minute between %(first)s::timestamptz and %(last)s::timestamptz and not is_bot
    group by minute
),

-- As live:active_users.5m: seen in five minutes up to the end of the minute. In one minute alone, who pauses for longer
-- would be away at first and there once he is back.
active as (
    select
        spanned.minute,
        count(distinct sessions.user_id) as active_users
    from clickstream.sessions,
        generate_series(
            greatest(date_trunc('minute', sessions.started_at, 'UTC'), %(first)s::timestamptz),
            least(
                date_trunc('minute', sessions.ended_at, 'UTC') + interval '4 minutes', %(last)s::timestamptz
            ),
            interval '1 minute'
        ) as spanned (minute)
    where
        sessions.started_at < %(last)s::timestamptz + interval '1 minute'
        and sessions.ended_at >= %(first)s::timestamptz - interval '4 minutes'
        and sessions.bot is null
        and not sessions.quarantined
    group by spanned.minute
),

-- A slice is of a second or so; one that caught up is shared out evenly over the time that it spans.
arrived as (
    select
        spanned.minute,
        sum(
            slices.read
            * coalesce(
                extract(
                    epoch from least(slices.last_kafka_time, spanned.minute + interval '1 minute')
                    - greatest(slices.first_kafka_time, spanned.minute)
                )
                / nullif(extract(epoch from slices.last_kafka_time - slices.first_kafka_time), 0),
                1
            )
        ) as read
    from clickstream.stream_slices as slices,
        generate_series(
            greatest(date_trunc('minute', slices.first_kafka_time, 'UTC'), %(first)s::timestamptz),
            least(slices.last_kafka_time, %(last)s::timestamptz),
            interval '1 minute'
        ) as spanned (minute)
    where
        slices.first_kafka_time < %(last)s::timestamptz + interval '1 minute'
        and slices.last_kafka_time >= %(first)s::timestamptz
    group by spanned.minute
),

refused as (
    select
        date_trunc('minute', kafka_time, 'UTC') as minute,
        count(*) as rejected
    from clickstream.dead_letters
    where kafka_time >= %(first)s::timestamptz and kafka_time < %(last)s::timestamptz + interval '1 minute'
    group by date_trunc('minute', kafka_time, 'UTC')
)

select
    minutes.minute,
    coalesce(traffic.seen, 0)::bigint as seen,
    coalesce(traffic.events, 0)::bigint as events,
    coalesce(active.active_users, 0) as active_users,
    coalesce(sum(traffic.checkouts) over ten_minutes, 0)::bigint as checkouts,
    coalesce(sum(traffic.purchases) over ten_minutes, 0)::bigint as purchases,
    coalesce(sum(traffic.revenue_e4) over ten_minutes, 0)::double precision / 10000 as revenue,
    coalesce(page_loads.buckets, '{}') as buckets,
    coalesce(page_loads.loads, '{}') as loads,
    coalesce(arrived.read, 0)::double precision as read,
    coalesce(refused.rejected, 0) as rejected
from minutes
left join traffic using (minute)
left join page_loads using (minute)
left join active using (minute)
left join arrived using (minute)
left join refused using (minute)
window ten_minutes as (order by minutes.minute rows between 9 preceding and current row)
order by minutes.minute
