-- Hold the stream: no slice can commit until this transaction ends. Parameters: topic. Grain: one row a partition.
select
    partition,
    next_offset
from clickstream.stream_offsets
where topic = %(topic)s
order by partition
for update -- noqa: PRS
