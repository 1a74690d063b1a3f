-- A day of an erasure is recomputed: it is owed no more, and what backfills noted of it since the erasure began goes.
-- That would tell, minute by minute, what the user did. Parameters: day, user_hash.
with ours as (
    update clickstream.erasures set days = array_remove(days, %(day)s)
    where user_hash = %(user_hash)s and finished_at is null and not dry_run
    returning started_at
)

delete from clickstream.backfill_diffs
using clickstream.backfill_runs as runs
where
    backfill_diffs.run = runs.run
    and runs.day = %(day)s
    and runs.swapped_at >= (select min(started_at) from ours)
