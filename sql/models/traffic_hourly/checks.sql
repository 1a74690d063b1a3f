-- Checks of traffic_hourly against the stream where nothing came since the run began. Parameters: run_id, interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with modelled as (
    select
        coalesce(sum(hours.events), 0) as events,
        coalesce(sum(hours.sessions), 0) as sessions
    from clickstream.quiet_hours as quiet
    inner join clickstream.traffic_hourly as hours using (hour)
    where quiet.run_id = %(run_id)s
),

streamed as (
    select
        coalesce(sum(minutes.events), 0) as events,
        coalesce(sum(begun.sessions), 0) as sessions
    from clickstream.quiet_hours as quiet
    cross join
        lateral (
            select sum(traffic.events) as events
            from clickstream.traffic_minute as traffic
            where quiet.hour <= traffic.minute and quiet.hour + interval '1 hour' > traffic.minute
        ) as minutes
    cross join
        lateral (
            select count(*) as sessions
            from clickstream.sessions
            where quiet.hour <= sessions.started_at and quiet.hour + interval '1 hour' > sessions.started_at
        ) as begun
    where quiet.run_id = %(run_id)s
),

volumes as (
    select
        coalesce(sum(events) filter (where hour = last_hour.start), 0) as events,
        coalesce(sum(events) filter (where hour < last_hour.start), 0) as events_before
    from (select date_trunc('hour', %(interval_end)s::timestamptz, 'UTC') - interval '1 hour' as start) as last_hour
    left join clickstream.traffic_hourly as hours
        on hours.hour in (last_hour.start, last_hour.start - interval '7 days')
),

checks (check_name, severity, passed, observed, expected) as (
    select
        'events = minute counts',
        'fail',
        modelled.events = streamed.events,
        modelled.events || ' events',
        streamed.events || ' events'
    from modelled
    cross join streamed
    union all
    select
        'sessions = stored sessions',
        'fail',
        modelled.sessions = streamed.sessions,
        modelled.sessions || ' sessions',
        streamed.sessions || ' sessions'
    from modelled
    cross join streamed
    union all
    select
        'volume of the last whole hour',
        'warn',
        events >= 0.25 * events_before,
        events || ' events',
        'at least a quarter of the ' || events_before || ' a week before'
    from volumes
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'traffic_hourly: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
