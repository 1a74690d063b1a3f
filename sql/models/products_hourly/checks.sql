-- Checks of products_hourly against the stream where nothing came since the run began. Parameters: run_id,
-- interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with modelled as (
    select
        coalesce(sum(hours.views), 0) as views,
        coalesce(sum(hours.purchases), 0) as purchases
    from clickstream.quiet_hours as quiet
    inner join clickstream.products_hourly as hours using (hour)
    where quiet.run_id = %(run_id)s
),

streamed as (
    select
        coalesce(sum(minutes.events) filter (where minutes.event_type = 'view_item'), 0) as views,
        coalesce(sum(minutes.events) filter (where minutes.event_type = 'purchase'), 0) as purchases
    from clickstream.quiet_hours as quiet
    inner join clickstream.traffic_minute as minutes
        on quiet.hour <= minutes.minute and quiet.hour + interval '1 hour' > minutes.minute
    where quiet.run_id = %(run_id)s and not minutes.is_bot
),

checks (check_name, severity, passed, observed, expected) as (
    select
        'no more than happened',
        'fail',
        modelled.views <= streamed.views and modelled.purchases <= streamed.purchases,
        modelled.views || ' views, ' || modelled.purchases || ' purchases',
        'at most ' || streamed.views || ' views, ' || streamed.purchases || ' purchases'
    from modelled
    cross join streamed
    union all
    select
        'product views that name their product',
        'warn',
        modelled.views >= 0.95 * streamed.views,
        modelled.views || ' of ' || streamed.views || ' views',
        'at least 95 percent'
    from modelled
    cross join streamed
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'products_hourly: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
