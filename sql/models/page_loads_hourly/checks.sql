-- Checks of page_loads_hourly against the stream where nothing came since the run began. Parameters: run_id,
-- interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with modelled as (
    select coalesce(sum(hours.loads), 0) as loads
    from clickstream.quiet_hours as quiet
    inner join clickstream.page_loads_hourly as hours using (hour)
    where quiet.run_id = %(run_id)s
),

streamed as (
    select coalesce(sum(minutes.loads), 0) as loads
    from clickstream.quiet_hours as quiet
    inner join clickstream.load_minute as minutes
        on quiet.hour <= minutes.minute and quiet.hour + interval '1 hour' > minutes.minute
    where quiet.run_id = %(run_id)s and not minutes.is_bot
),

checks (check_name, severity, passed, observed, expected) as (
    select
        'loads = minute counts',
        'fail',
        modelled.loads = streamed.loads,
        modelled.loads || ' loads',
        streamed.loads || ' loads'
    from modelled
    cross join streamed
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'page_loads_hourly: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
