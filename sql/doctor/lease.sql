-- Who may write. Parameters: none. Grain: one row, or none before the first stream.
select
    epoch,
    holder,
    extract(epoch from clock_timestamp() - heartbeat_at)::float8 as silence
from clickstream.stream_lease
order by heartbeat_at desc
limit 1
