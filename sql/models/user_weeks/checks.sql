-- Checks of user_weeks for the users of this run. Parameters: run_id, interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with weeks as (
    select
        stored.cohort_week,
        min(stored.week) over (partition by stored.user_id) as first_week
    from clickstream.model_users as users
    inner join clickstream.user_weeks as stored using (user_id)
    where users.run_id = %(run_id)s
),

checks (check_name, severity, passed, observed, expected) as (
    select
        'the cohort is the first week',
        'fail',
        count(*) = 0,
        count(*) || ' rows are not',
        '0 rows are not'
    from weeks
    where cohort_week <> first_week
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'user_weeks: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
