-- Checks of paths_daily against the sessions where nothing came since the run began. Parameters: run_id, interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
set local time zone 'UTC';

with quiet as (
    select day
    from clickstream.model_days
    where run_id = %(run_id)s and quiet
),

pathed as (
    select coalesce(sum(stored.sessions), 0) as sessions
    from quiet
    inner join clickstream.paths_daily as stored using (day)
),

begun as (
    select count(*) as sessions
    from quiet
    inner join clickstream.sessions
        on quiet.day::timestamptz <= sessions.started_at and (quiet.day + 1)::timestamptz > sessions.started_at
    where sessions.page_views > 0 and sessions.bot is null and not sessions.quarantined
)

select
    pathed.sessions::text as observed,
    begun.sessions || ' sessions with a page' as expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz,
        'paths_daily: every session with a page has a path',
        'fail',
        pathed.sessions = begun.sessions,
        pathed.sessions::text,
        begun.sessions || ' sessions with a page'
    ) as passed
from pathed
cross join begun;
