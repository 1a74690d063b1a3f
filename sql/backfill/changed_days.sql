-- UTC dates that got events since they were last backfilled, or never were. Parameters: topic, before (date; later
-- ones are not over yet), most (int). Grain: one row a date, oldest first.
with last_runs as (
    select distinct on (day)
        day,
        vector
    from clickstream.backfill_runs
    where topic = %(topic)s and swapped_at is not null
    order by day asc, run desc
),

changed as (
    select known.event_date
    from clickstream.event_ids as known
    left join last_runs on known.event_date = last_runs.day
    where
        known.event_date < %(before)s
        and known.kafka_offset >= coalesce((last_runs.vector ->> known.partition::text)::bigint, 0)
    group by known.event_date
)

select event_date
from changed
order by event_date
limit %(most)s
