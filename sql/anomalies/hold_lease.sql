-- Prove the lease for a transaction, as fold/lock_slice.sql does: a successor's new epoch waits for it.
-- Parameters: lease. Grain: one row, none when the lease was never taken.
select epoch
from clickstream.stream_lease
where name = %(lease)s
for key share -- noqa: PRS
