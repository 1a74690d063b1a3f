-- Checks of traffic_daily against the stream where nothing came since the run began. Parameters: run_id, interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with quiet as (
    select day
    from clickstream.model_days
    where run_id = %(run_id)s and quiet
),

days as (
    select
        coalesce(sum(days.events), 0) as events,
        coalesce(sum(days.sessions), 0) as sessions,
        coalesce(sum(days.revenue_e4), 0) as revenue_e4
    from quiet
    inner join clickstream.traffic_daily as days using (day)
),

hours as (
    select
        coalesce(sum(hours.events), 0) as events,
        coalesce(sum(hours.sessions), 0) as sessions,
        coalesce(sum(hours.revenue_e4), 0) as revenue_e4
    from quiet
    inner join clickstream.traffic_hourly as hours
        on
            quiet.day::timestamp at time zone 'UTC' <= hours.hour
            and (quiet.day + 1)::timestamp at time zone 'UTC' > hours.hour
),

checks (check_name, severity, passed, observed, expected) as (
    select
        'days = sums of their hours',
        'fail',
        (days.events, days.sessions, days.revenue_e4) = (hours.events, hours.sessions, hours.revenue_e4),
        format('%%s events, %%s sessions, revenue_e4 %%s', days.events, days.sessions, days.revenue_e4),
        format('%%s events, %%s sessions, revenue_e4 %%s', hours.events, hours.sessions, hours.revenue_e4)
    from days
    cross join hours
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'traffic_daily: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
