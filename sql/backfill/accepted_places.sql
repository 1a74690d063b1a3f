-- Where the accepted events of UTC dates lie. Parameters: days (date[]). Grain: one row a partition and million offsets:
-- the offsets as a bigint[] in its binary form, unordered. Two million rows of their own would take seconds to read.
select
    partition,
    array_send(array_agg(kafka_offset)) as kafka_offsets
from clickstream.event_ids
where event_date = any(%(days)s)
group by partition, kafka_offset / 1000000
