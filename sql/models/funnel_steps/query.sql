-- How many users of a day's funnel reached each step: counts of funnel_users, by device and in all.
-- Parameters: run_id, funnel (text), steps (text[]: the names of the steps in order).
-- Grain: one row for each funnel, UTC day of step 1, device ('(all)': the day's total) and step.
-- Usage: clickstream_models, after funnel_users/query.sql; one transaction. Builds the days of funnel_days. Idempotent.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

delete from clickstream.funnel_steps as stored
using clickstream.funnel_days as changed
where
    changed.run_id = %(run_id)s
    and changed.funnel = %(funnel)s
    and stored.funnel = changed.funnel
    and stored.day = changed.day;

insert into clickstream.funnel_steps (
    funnel, day, device, step, step_name, users, share_of_previous, share_of_first
)
with counts as (
    select
        entries.funnel,
        entries.day,
        coalesce(entries.device, '(all)') as device,
        steps.step,
        steps.step_name,
        count(*) filter (where entries.reached >= steps.step) as users
    from clickstream.funnel_days as changed
    inner join clickstream.funnel_users as entries
        on changed.funnel = entries.funnel and changed.day = entries.day
    cross join unnest(%(steps)s::text[]) with ordinality as steps (step_name, step)
    where changed.run_id = %(run_id)s and changed.funnel = %(funnel)s
    group by grouping sets (
        (entries.funnel, entries.day, entries.device, steps.step, steps.step_name),
        (entries.funnel, entries.day, steps.step, steps.step_name)
    )
)

select
    funnel,
    day,
    device,
    step,
    step_name,
    users,
    users::double precision / nullif(lag(users) over in_order, 0) as share_of_previous,
    users::double precision / first_value(users) over in_order as share_of_first
from counts
window in_order as (partition by funnel, day, device order by step);

select
    count(distinct day) as days,
    count(*) as rows
from clickstream.funnel_steps
where (funnel, day) in (
    select
        changed.funnel,
        changed.day
    from clickstream.funnel_days as changed
    where changed.run_id = %(run_id)s
);
