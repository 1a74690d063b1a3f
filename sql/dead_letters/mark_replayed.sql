-- Mark dead letters as sent back. Parameters: topics text[], partitions integer[], offsets bigint[], event_ids uuid[],
-- parallel. Grain: one row a dead letter, changed in place.
update clickstream.dead_letters as letters
set replayed_at = clock_timestamp(), replayed_event_id = places.event_id
from
    unnest(%(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[], %(event_ids)s::uuid[])
        as places (topic, partition, kafka_offset, event_id)
where
    letters.topic = places.topic
    and letters.partition = places.partition
    and letters.kafka_offset = places.kafka_offset
