-- Where the accepted events of UTC dates lie. Parameters: days (date[]). Grain: one row a partition and million of
-- offsets: these as a bigint[] in its binary form, unordered; a row for each of two million would take seconds to read.
select
    partition,
    array_send(array_agg(kafka_offset)) as kafka_offsets
from clickstream.event_ids
where event_date = any(%(days)s)
group by partition, kafka_offset / 1000000
