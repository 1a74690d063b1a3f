-- Checks of funnel_steps for the days of this run. Parameters: run_id, interval_end, funnel.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with days as (
    select
        funnel,
        day
    from clickstream.funnel_days
    where run_id = %(run_id)s and funnel = %(funnel)s
),

steps as (
    select
        stored.*,
        lag(stored.users) over (
            partition by stored.day, stored.breakdown, stored.value order by stored.step
        ) as users_before
    from clickstream.funnel_steps as stored
    inner join days on stored.funnel = days.funnel and stored.day = days.day
),

listed as (
    select
        entries.day,
        parts.breakdown,
        parts.value,
        step,
        count(*) as users
    from clickstream.funnel_users as entries
    inner join days on entries.funnel = days.funnel and entries.day = days.day
    cross join lateral clickstream.breakdown_parts(entries.breakdown) as parts
    cross join lateral generate_series(1, entries.reached) as step
    group by entries.day, parts.breakdown, parts.value, step
),

checks (check_name, severity, observed, expected) as (
    select
        'no step has more users than the one before',
        'fail',
        count(*) filter (where users > users_before),
        0
    from steps
    union all
    select
        'the counts are the lengths of the lists',
        'fail',
        count(*) filter (where coalesce(listed.users, 0) is distinct from steps.users),
        0
    from listed
    full join steps
        on
            listed.day = steps.day
            and listed.breakdown = steps.breakdown
            and listed.value = steps.value
            and listed.step = steps.step
)

select
    check_name,
    severity,
    clickstream.keep_check(
        %(interval_end)s::timestamptz,
        'funnel_steps ' || %(funnel)s || ': ' || check_name,
        severity,
        observed = expected,
        observed || ' rows',
        expected || ' rows'
    ) as passed,
    observed,
    expected
from checks;
