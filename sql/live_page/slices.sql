-- The last slices that the stream applied, newest first. Parameters: none. Grain: one row a slice.
select
    partition,
    read,
    accepted,
    duplicate,
    rejected,
    late,
    (seconds * 1000)::int as ms,
    applied_at
from clickstream.stream_slices
order by applied_at desc
limit 12
