-- The sessions that a run recomputed. Parameters: run. Grain: one row a session of the day.
select *
from clickstream.backfill_sessions
where run = %(run)s and not carried
