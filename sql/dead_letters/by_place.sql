-- The dead letters at given places. Parameters: topics text[], partitions integer[], offsets bigint[], parallel.
-- Grain: one row a dead letter; a place that has none gives no row.
select
    letters.topic,
    letters.partition,
    letters.kafka_offset,
    letters.kafka_time,
    letters.reason,
    letters.detail,
    letters.payload,
    letters.created_at,
    letters.replayed_at,
    letters.replayed_event_id
from
    unnest(%(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[])
        as places (topic, partition, kafka_offset)
inner join clickstream.dead_letters as letters using (topic, partition, kafka_offset)
