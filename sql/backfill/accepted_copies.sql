-- Which events are the copies that the stream accepted. Parameters: parallel arrays ids (uuid[]), partitions (int[]),
-- offsets (bigint[]). Grain: one row per accepted copy, its place in the arrays. By key, however large the table is.
select incoming.position - 1
from
    unnest(%(ids)s::uuid[], %(partitions)s::int[], %(offsets)s::bigint[])
    with ordinality as incoming (event_id, partition, kafka_offset, position)
cross join
    lateral (
        select from clickstream.event_ids as known
        where
            known.event_id = incoming.event_id
            and known.partition = incoming.partition
            and known.kafka_offset = incoming.kafka_offset
        limit 1 -- noqa: AM09
    ) as accepted
order by incoming.position
