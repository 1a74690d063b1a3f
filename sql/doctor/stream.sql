-- How far behind the stream is: of what it stored in the last minute, how old the newest record was; `delay` of the
-- last 15 s, `delay_before` of what was stored 40 s ago or more.
-- Parameters: topic. Grain: one row. Seconds; null where nothing was stored.
with slices as (
    select
        applied_at,
        extract(epoch from applied_at - last_kafka_time)::float8 as delay
    from clickstream.stream_slices
    where topic = %(topic)s and applied_at > now() - interval '60 seconds'
)

select
    count(*) as slices,
    avg(delay) filter (where applied_at > now() - interval '15 seconds') as delay,
    avg(delay) filter (where applied_at <= now() - interval '40 seconds') as delay_before
from slices
