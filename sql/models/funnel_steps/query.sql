-- How many users of a day's funnel reached each step, and how long it took them: counts of funnel_users.
-- Parameters: run_id, funnel (text), steps (text[]: the names of the steps in order).
-- Grain: one row for each funnel, UTC day of the entry, breakdown and value ('(all)': the day's total) and step.
-- Usage: clickstream_models, after funnel_users/query.sql; one transaction. Builds the days of funnel_days. Idempotent.
set local search_path = clickstream;

set local time zone 'UTC';

select pg_advisory_xact_lock('funnel_users'::regclass::oid::bigint);

delete from funnel_steps as stored
using funnel_days as changed
where
    changed.run_id = %(run_id)s
    and changed.funnel = %(funnel)s
    and stored.funnel = changed.funnel
    and stored.day = changed.day;

insert into funnel_steps
with listed as (
    select
        entries.funnel,
        entries.day,
        parts.breakdown,
        parts.value,
        entries.reached,
        entries.step_at
    from funnel_days as changed
    inner join funnel_users as entries on changed.funnel = entries.funnel and changed.day = entries.day
    cross join lateral clickstream.breakdown_parts(entries.breakdown) as parts
    where changed.run_id = %(run_id)s and changed.funnel = %(funnel)s
),

-- Counted where each stopped first: who stopped later has been at every step before.
stopped as (
    select
        funnel,
        day,
        breakdown,
        value,
        reached,
        count(*) as users
    from listed
    group by funnel, day, breakdown, value, reached
),

counts as (
    select
        stopped.funnel,
        stopped.day,
        stopped.breakdown,
        stopped.value,
        steps.step,
        steps.step_name,
        coalesce(sum(stopped.users) filter (where stopped.reached >= steps.step), 0)::bigint as users
    from stopped
    cross join unnest(%(steps)s::text[]) with ordinality as steps (step_name, step)
    group by stopped.funnel, stopped.day, stopped.breakdown, stopped.value, steps.step, steps.step_name
),

times as (
    select
        listed.funnel,
        listed.day,
        listed.breakdown,
        listed.value,
        steps.step,
        percentile_cont(array[0.25, 0.5, 0.75, 0.9]) within group (
            order by extract(epoch from listed.step_at[steps.step] - listed.step_at[steps.step - 1])::double precision
        ) as previous,
        percentile_cont(array[0.25, 0.5, 0.75, 0.9]) within group (
            order by extract(epoch from listed.step_at[steps.step] - listed.step_at[1])::double precision
        ) as first
    from listed
    cross join lateral generate_series(2, listed.reached) as steps (step)
    group by listed.funnel, listed.day, listed.breakdown, listed.value, steps.step
)

select
    counts.funnel,
    counts.day,
    counts.breakdown,
    counts.value,
    counts.step,
    counts.step_name,
    counts.users,
    counts.users::double precision / nullif(lag(counts.users) over in_order, 0) as share_of_previous,
    counts.users::double precision / first_value(counts.users) over in_order as share_of_first,
    times.previous[1],
    times.previous[2],
    times.previous[3],
    times.previous[4],
    times.first[1],
    times.first[2],
    times.first[3],
    times.first[4]
from counts
left join times
    on
        counts.funnel = times.funnel
        and counts.day = times.day
        and counts.breakdown = times.breakdown
        and counts.value = times.value
        and counts.step = times.step
window in_order as (
    partition by counts.funnel, counts.day, counts.breakdown, counts.value order by counts.step
);

select
    count(distinct day) as days,
    count(*) as rows
from funnel_steps
where (funnel, day) in (
    select
        changed.funnel,
        changed.day
    from funnel_days as changed
    where changed.run_id = %(run_id)s and changed.funnel = %(funnel)s
);
