-- A funnel over a range of days: each user (scope session: session) once, with the furthest result of the range, the
-- earliest on a tie. Parameters: funnel (text), first_day, last_day (date), steps (text[]).
-- Grain: one row for each breakdown and value ('(all)': the total) and step, in the columns of funnel_steps.
-- Usage: clickstream funnel run; a dashboard's range (the table is named without its schema, as in the models).
with best as (
    select distinct on (scope_id)
        scope_id,
        reached,
        step_at,
        breakdown
    from funnel_users
    where funnel = %(funnel)s and day between %(first_day)s::date and %(last_day)s::date
    order by scope_id asc, reached desc, day asc
),

listed as (
    select
        parts.breakdown,
        parts.value,
        best.reached,
        best.step_at
    from best
    cross join lateral clickstream.breakdown_parts(best.breakdown) as parts
),

counts as (
    select
        listed.breakdown,
        listed.value,
        steps.step,
        steps.step_name,
        count(*) filter (where listed.reached >= steps.step) as users,
        percentile_cont(array[0.25, 0.5, 0.75, 0.9]) within group (
            order by extract(epoch from listed.step_at[steps.step] - listed.step_at[steps.step - 1])::double precision
        ) as previous,
        percentile_cont(array[0.25, 0.5, 0.75, 0.9]) within group (
            order by extract(epoch from listed.step_at[steps.step] - listed.step_at[1])::double precision
        ) filter (where steps.step > 1) as first
    from listed
    cross join unnest(%(steps)s::text[]) with ordinality as steps (step_name, step)
    group by listed.breakdown, listed.value, steps.step, steps.step_name
)

select
    breakdown,
    value,
    step,
    step_name,
    users,
    users::double precision / nullif(lag(users) over in_order, 0) as share_of_previous,
    users::double precision / first_value(users) over in_order as share_of_first,
    previous[1] as previous_p25_seconds,
    previous[2] as previous_median_seconds,
    previous[3] as previous_p75_seconds,
    previous[4] as previous_p90_seconds,
    first[1] as first_p25_seconds,
    first[2] as first_median_seconds,
    first[3] as first_p75_seconds,
    first[4] as first_p90_seconds
from counts
window in_order as (partition by breakdown, value order by step)
order by breakdown, value, step
