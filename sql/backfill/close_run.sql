-- A run's result, in the transaction of its swap. Parameters: run, differences (json: rows by table).
update clickstream.backfill_runs set
    swapped_at = clock_timestamp(),
    events = (
        select count(*) from clickstream.backfill_events
        where backfill_events.run = %(run)s
    ),
    sessions = (
        select count(*) from clickstream.backfill_sessions
        where backfill_sessions.run = %(run)s and not backfill_sessions.carried
    ),
    differences = %(differences)s
where run = %(run)s
