-- Checks of funnel_steps for the days of this run. Parameters: run_id, funnel, interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
insert into clickstream.check_results as known (check_name, interval_end, severity, passed, observed, expected)
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
        lag(stored.users) over (partition by stored.day, stored.device order by stored.step) as users_before
    from clickstream.funnel_steps as stored
    inner join days on stored.funnel = days.funnel and stored.day = days.day
),

listed as (
    select
        entries.day,
        coalesce(entries.device, '(all)') as device,
        count(*) as users
    from clickstream.funnel_users as entries
    inner join days on entries.funnel = days.funnel and entries.day = days.day
    group by grouping sets ((entries.day, entries.device), (entries.day))
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
        'the counts of step 1 are the lengths of the lists',
        'fail',
        count(*) filter (where listed.users is distinct from steps.users),
        0
    from listed
    full join (
        select * from steps
        where step = 1
    ) as steps
        on listed.day = steps.day and listed.device = steps.device
)

select
    'funnel_steps ' || %(funnel)s || ': ' || check_name,
    %(interval_end)s::timestamptz,
    severity,
    observed = expected,
    observed || ' rows',
    expected || ' rows'
from checks
on conflict (check_name, interval_end) do update
    set
        severity = excluded.severity,
        passed = excluded.passed,
        observed = excluded.observed,
        expected = excluded.expected,
        checked_at = clock_timestamp()
returning known.check_name, known.severity, known.passed, known.observed, known.expected;
