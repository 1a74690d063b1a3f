-- Checks of products_daily against the stream where nothing came since the run began. Parameters: run_id, interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with quiet as (
    select day
    from clickstream.model_days
    where run_id = %(run_id)s and quiet
),

days as (
    select
        coalesce(sum(days.views), 0) as views,
        coalesce(sum(days.purchases), 0) as purchases,
        coalesce(sum(days.revenue_e4), 0) as revenue_e4
    from quiet
    inner join clickstream.products_daily as days using (day)
),

hours as (
    select
        coalesce(sum(hours.views), 0) as views,
        coalesce(sum(hours.purchases), 0) as purchases,
        coalesce(sum(hours.revenue_e4), 0) as revenue_e4
    from quiet
    inner join clickstream.products_hourly as hours
        on
            quiet.day::timestamp at time zone 'UTC' <= hours.hour
            and (quiet.day + 1)::timestamp at time zone 'UTC' > hours.hour
),

checks (check_name, severity, passed, observed, expected) as (
    select
        'days = sums of their hours',
        'fail',
        (days.views, days.purchases, days.revenue_e4) = (hours.views, hours.purchases, hours.revenue_e4),
        format('%%s views, %%s purchases, revenue_e4 %%s', days.views, days.purchases, days.revenue_e4),
        format('%%s views, %%s purchases, revenue_e4 %%s', hours.views, hours.purchases, hours.revenue_e4)
    from days
    cross join hours
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'products_daily: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
