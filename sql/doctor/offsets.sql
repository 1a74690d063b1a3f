-- The ledger. Parameters: topic. Grain: one row a partition.
select
    partition,
    topic_id,
    next_offset
from clickstream.stream_offsets
where topic = %(topic)s
order by partition
