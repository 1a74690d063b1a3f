-- Move the offset and write the audit row. Parameters: one batch's coordinates, counts and times.
with moved as (
    update clickstream.stream_offsets
    set next_offset = %(next_offset)s, updated_at = clock_timestamp()
    where topic = %(topic)s and partition = %(partition)s
)

insert into clickstream.stream_slices (
    topic, partition, first_offset, next_offset, epoch, read, accepted, duplicate, rejected, late, history,
    first_kafka_time, last_kafka_time, seconds
) values (
    %(topic)s, %(partition)s, %(first_offset)s, %(next_offset)s, 0, %(read)s, %(accepted)s, %(duplicate)s,
    %(rejected)s, %(late)s, %(history)s,
    %(first_kafka_time)s, %(last_kafka_time)s, extract(epoch from clock_timestamp() - now())
)
