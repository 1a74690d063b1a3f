-- Checks of funnel_times for the days of this run. Parameters: run_id, interval_end, funnel, steps (text[]).
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with converted as (
    select coalesce(sum(steps.users), 0) as users
    from clickstream.funnel_days as days
    inner join clickstream.funnel_steps as steps on days.funnel = steps.funnel and days.day = steps.day
    where
        days.run_id = %(run_id)s
        and days.funnel = %(funnel)s
        and steps.breakdown = '(all)'
        and steps.step = cardinality(%(steps)s::text[])
),

in_classes as (
    select coalesce(sum(times.users), 0) as users
    from clickstream.funnel_days as days
    inner join clickstream.funnel_times as times on days.funnel = times.funnel and days.day = times.day
    where days.run_id = %(run_id)s and days.funnel = %(funnel)s
)

select
    'every conversion is in a class of time' as check_name,
    'fail' as severity,
    clickstream.keep_check(
        %(interval_end)s::timestamptz,
        'funnel_times ' || %(funnel)s || ': every conversion is in a class of time',
        'fail',
        in_classes.users = converted.users,
        in_classes.users || ' users',
        converted.users || ' users'
    ) as passed,
    in_classes.users as observed,
    converted.users as expected
from in_classes
cross join converted;
