-- The page-load histogram that a run recomputed, added up. Parameters: run. Grain: the key of load_minute.
select
    minute,
    bucket,
    is_bot,
    sum(loads)::bigint as loads
from clickstream.backfill_load_minute
where run = %(run)s
group by minute, bucket, is_bot
