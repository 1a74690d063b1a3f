-- Lock the ledger row of one partition and prove the lease; no row: the partition is not in the ledger.
-- Parameters: topic, partition, lease. Grain: one row.
-- FOR KEY SHARE on the lease lets heartbeats pass and makes a successor's new epoch wait for this transaction.
select
    offsets.next_offset,
    lease.epoch
from clickstream.stream_offsets as offsets, clickstream.stream_lease as lease
where offsets.topic = %(topic)s and offsets.partition = %(partition)s and lease.name = %(lease)s
for update of offsets for key share of lease -- noqa: PRS
