-- Every offset accounted for: the slices that were applied since the last run, added to each partition's sums.
-- Parameters: none.
-- Grain: one row for each topic and partition. Built from an empty table it gives the same rows.
-- Usage: clickstream_models; one transaction. Slices of a partition are applied in offset order, so what is new lies
-- at or above next_offset. Idempotent.
select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

insert into clickstream.reconciliation as known (
    topic, partition, first_offset, next_offset, slices, read, accepted, duplicate, rejected
)
select
    partitions.topic,
    partitions.partition,
    min(slices.first_offset),
    max(slices.next_offset),
    count(*),
    sum(slices.read),
    sum(slices.accepted),
    sum(slices.duplicate),
    sum(slices.rejected)
from clickstream.stream_offsets as partitions
left join clickstream.reconciliation as before
    on partitions.topic = before.topic and partitions.partition = before.partition
inner join clickstream.stream_slices as slices
    on
        partitions.topic = slices.topic
        and partitions.partition = slices.partition
        and slices.first_offset >= coalesce(before.next_offset, 0)
group by partitions.topic, partitions.partition
on conflict (topic, partition) do update set
    next_offset = excluded.next_offset,
    slices = known.slices + excluded.slices,
    read = known.read + excluded.read,
    accepted = known.accepted + excluded.accepted,
    duplicate = known.duplicate + excluded.duplicate,
    rejected = known.rejected + excluded.rejected,
    updated_at = clock_timestamp();

select
    topic,
    partition,
    first_offset,
    next_offset,
    read,
    accepted,
    duplicate,
    rejected,
    agrees
from clickstream.reconciliation
order by topic, partition;
