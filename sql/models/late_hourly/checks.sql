-- Checks of late_hourly against the stream where nothing came since the run began. Parameters: run_id, interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with modelled as (
    select
        coalesce(sum(hours.accepted), 0) as accepted,
        coalesce(sum(hours.history), 0) as history,
        coalesce(sum(hours.late), 0) as late
    from clickstream.quiet_hours as quiet
    inner join clickstream.late_hourly as hours using (hour)
    where quiet.run_id = %(run_id)s
),

streamed as (
    select coalesce(sum(slices.accepted), 0) as accepted
    from clickstream.quiet_hours as quiet
    inner join clickstream.stream_slices as slices
        on quiet.hour <= slices.last_kafka_time and quiet.hour + interval '1 hour' > slices.last_kafka_time
    where quiet.run_id = %(run_id)s
),

checks (check_name, severity, passed, observed, expected) as (
    select
        'accepted = those of the slices',
        'fail',
        modelled.accepted = streamed.accepted,
        modelled.accepted || ' events',
        streamed.accepted || ' events'
    from modelled
    cross join streamed
    union all
    select
        'late share of live events',
        'warn',
        late <= 0.1 * (accepted - history),
        late || ' of ' || accepted - history || ' events',
        'at most 10 percent'
    from modelled
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'late_hourly: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
