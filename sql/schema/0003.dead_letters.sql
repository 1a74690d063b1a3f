-- Dead letters that were sent back, and a way to look at the newest first.
-- depends: 0002.models
-- Run by: clickstream db migrate (role clickstream_owner). The roles' grants on the table (reader: select, writer:
-- update too) cover its new columns.

-- Set together once Kafka has acknowledged the mended event; the id says which event the letter became.
alter table clickstream.dead_letters
add column replayed_at timestamptz,
add column replayed_event_id uuid,
add constraint dead_letters_replayed check ((replayed_at is null) = (replayed_event_id is null));

-- `clickstream dead-letters` reads pages by this key, however many letters there are.
create index dead_letters_kafka_time on clickstream.dead_letters (kafka_time, topic, partition, kafka_offset);
