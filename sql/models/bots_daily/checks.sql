-- Checks of bots_daily against the stream where nothing came since the run began. Parameters: run_id, interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with quiet as (
    select day
    from clickstream.model_days
    where run_id = %(run_id)s and quiet
),

kinds as (
    select
        coalesce(sum(stored.sessions), 0) as sessions,
        coalesce(sum(stored.sessions) filter (where stored.kind <> 'people'), 0) as bots
    from quiet
    inner join clickstream.bots_daily as stored using (day)
),

traffic as (
    select
        coalesce(sum(days.sessions), 0) as sessions,
        coalesce(sum(days.sessions) filter (where days.is_bot), 0) as bots
    from quiet
    inner join clickstream.traffic_daily as days using (day)
),

checks (check_name, severity, passed, observed, expected) as (
    select
        'each session is of one kind',
        'fail',
        (kinds.sessions, kinds.bots) = (traffic.sessions, traffic.bots),
        kinds.sessions || ' sessions, ' || kinds.bots || ' not of people',
        traffic.sessions || ' sessions, ' || traffic.bots || ' not of people'
    from kinds
    cross join traffic
    union all
    select
        'sessions that are not of people',
        'warn',
        bots <= 0.5 * sessions,
        bots || ' of ' || sessions || ' sessions',
        'at most half'
    from kinds
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'bots_daily: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
