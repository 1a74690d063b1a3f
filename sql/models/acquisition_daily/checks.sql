-- Checks of acquisition_daily against the stream where nothing came since the run began. Parameters: run_id,
-- interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with quiet as (
    select day
    from clickstream.model_days
    where run_id = %(run_id)s and quiet
),

touches as (
    select
        coalesce(sum(stored.sessions) filter (where stored.touch = 'first'), 0) as first_sessions,
        coalesce(sum(stored.sessions) filter (where stored.touch = 'last_non_direct'), 0) as last_sessions,
        coalesce(sum(stored.sessions) filter (where stored.touch = 'first' and stored.channel = 'Unassigned'), 0)
            as unassigned
    from quiet
    inner join clickstream.acquisition_daily as stored using (day)
),

people as (
    select coalesce(sum(days.sessions), 0) as sessions
    from quiet
    inner join clickstream.traffic_daily as days using (day)
    where not days.is_bot
),

checks (check_name, severity, passed, observed, expected) as (
    select
        'each session under each rule',
        'fail',
        first_sessions = sessions and last_sessions = sessions,
        first_sessions || ' first, ' || last_sessions || ' last non-direct',
        sessions || ' sessions'
    from touches
    cross join people
    union all
    select
        'sessions without a channel',
        'warn',
        unassigned <= 0.2 * first_sessions,
        unassigned || ' of ' || first_sessions || ' sessions',
        'at most 20 percent'
    from touches
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'acquisition_daily: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
