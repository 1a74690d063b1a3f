-- Checks of funnel_users for the users of this run. Parameters: run_id, interval_end, funnel, scope, steps, within,
-- same_day. Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
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
            or %(same_day)s and day <> (step_at[reached] at time zone 'UTC')::date
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
    union all
    select
        'sessions are stored and of people',
        'fail',
        count(*) filter (where sessions.session_id is null or sessions.bot is not null or sessions.quarantined),
        0
    from built
    left join clickstream.sessions on built.scope_id = sessions.session_id::text
    where
        %(scope)s = 'session'
        and not exists (
            select from clickstream.model_changes as changed
            where changed.user_id = built.user_id
        )
)

select
    check_name,
    severity,
    clickstream.keep_check(
        %(interval_end)s::timestamptz,
        'funnel_users ' || %(funnel)s || ': ' || check_name,
        severity,
        observed = expected,
        observed || ' rows',
        expected || ' rows'
    ) as passed,
    observed,
    expected
from checks;
