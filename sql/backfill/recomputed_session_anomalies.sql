-- The anomalies of the sessions that a run recomputed. Parameters: run. Grain: one row a session and kind.
select *
from clickstream.backfill_session_anomalies
where run = %(run)s
