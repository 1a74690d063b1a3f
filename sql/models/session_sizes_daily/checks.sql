-- Checks of session_sizes_daily against the stream where nothing came since the run began. Parameters: run_id,
-- interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with quiet as (
    select day
    from clickstream.model_days
    where run_id = %(run_id)s and quiet
),

classed as (
    select
        coalesce(sum(stored.sessions) filter (where stored.measure = 'seconds'), 0) as by_seconds,
        coalesce(sum(stored.sessions) filter (where stored.measure = 'page_views'), 0) as by_page_views
    from quiet
    inner join clickstream.session_sizes_daily as stored using (day)
),

people as (
    select coalesce(sum(days.sessions), 0) as sessions
    from quiet
    inner join clickstream.traffic_daily as days using (day)
    where not days.is_bot
),

checks (check_name, severity, passed, observed, expected) as (
    select
        'each session in one class of each measure',
        'fail',
        by_seconds = sessions and by_page_views = sessions,
        by_seconds || ' by seconds, ' || by_page_views || ' by page views',
        sessions || ' sessions'
    from classed
    cross join people
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'session_sizes_daily: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
