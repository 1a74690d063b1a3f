-- How far each partition is applied. Parameters: topic. Grain: one row a partition.
-- last_kafka_time: when Kafka got the last record that is applied, null before the first.
select
    offsets.partition,
    offsets.next_offset,
    latest.last_kafka_time
from clickstream.stream_offsets as offsets
left join lateral (
    select slices.last_kafka_time
    from clickstream.stream_slices as slices
    where slices.topic = offsets.topic and slices.partition = offsets.partition
    order by slices.first_offset desc
    limit 1
) as latest on true
where offsets.topic = %(topic)s
