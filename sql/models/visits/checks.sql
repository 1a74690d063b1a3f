-- Checks of visits against the stream where nothing came since the run began. Parameters: run_id, interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with counted as (
    select
        coalesce(sum(modelled.sessions), 0) as modelled,
        coalesce(sum(streamed.sessions), 0) as streamed
    from clickstream.quiet_hours as quiet
    cross join
        lateral (
            select count(*) as sessions
            from clickstream.visits
            where quiet.hour <= visits.started_at and quiet.hour + interval '1 hour' > visits.started_at
        ) as modelled
    cross join
        lateral (
            select count(*) as sessions
            from clickstream.sessions
            where
                quiet.hour <= sessions.started_at and quiet.hour + interval '1 hour' > sessions.started_at
                and not sessions.quarantined
        ) as streamed
    where quiet.run_id = %(run_id)s
),

checks (check_name, severity, passed, observed, expected) as (
    select
        'visits = stored sessions',
        'fail',
        modelled = streamed,
        modelled || ' visits',
        streamed || ' sessions'
    from counted
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'visits: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
