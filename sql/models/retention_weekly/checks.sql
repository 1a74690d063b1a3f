-- Checks of retention_weekly for the weeks of this run. Parameters: run_id, interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with weeks as (
    select week
    from clickstream.retention_weeks
    where run_id = %(run_id)s
),

counted as (
    select
        coalesce(sum(stored.users), 0) as users,
        count(*) filter (where stored.users > stored.cohort_users) as grown
    from weeks
    inner join clickstream.retention_weekly as stored using (week)
),

listed as (
    select count(*) as users
    from weeks
    inner join clickstream.user_weeks using (week)
),

checks (check_name, severity, passed, observed, expected) as (
    select
        'the counts are the lengths of the lists',
        'fail',
        counted.users = listed.users,
        counted.users || ' users',
        listed.users || ' users'
    from counted
    cross join listed
    union all
    select
        'no cohort grows',
        'fail',
        grown = 0,
        grown || ' rows',
        '0 rows'
    from counted
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'retention_weekly: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
