-- Checks of funnel_users for the users of this run. Parameters: run_id, funnel, steps, within, interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
insert into clickstream.check_results as known (check_name, interval_end, severity, passed, observed, expected)
with built as (
    select entries.*
    from clickstream.model_users as users
    inner join clickstream.funnel_users as entries using (user_id)
    where users.run_id = %(run_id)s and entries.funnel = %(funnel)s
),

checks (check_name, severity, observed, expected) as (
    select
        'steps in order and within the window',
        'fail',
        count(*) filter (
            where
            step_at <> array(
                select at from unnest(step_at) as at
                order by at
            )
            or step_at[reached] > step_at[1] + %(within)s::interval
            or reached > cardinality(%(steps)s::text[])
        ),
        0
    from built
    union all
    select
        'step 1 on the day of the entry',
        'fail',
        count(*) filter (
            where day <> (entered_at at time zone 'UTC')::date or day <> (step_at[1] at time zone 'UTC')::date
        ),
        0
    from built
)

select
    'funnel_users ' || %(funnel)s || ': ' || check_name,
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
