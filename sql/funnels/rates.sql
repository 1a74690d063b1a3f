-- How many of the entries of each hour or day came to a step, and how many could have, soon enough after their entry.
-- Parameters: funnel (text), step (smallint), of_first (boolean: of all entries; else of those at the step before),
-- per (text: hour, day), within (interval), since, until (timestamptz, whole periods). Grain: one row for each period
-- with an entry, in order. Usage: alerts on a funnel's steps.
select
    date_trunc(%(per)s, entered_at, 'UTC') as period,
    count(*) filter (
        where %(of_first)s or step_at[%(step)s::smallint - 1] <= entered_at + %(within)s::interval
    ) as could,
    count(*) filter (where step_at[%(step)s::smallint] <= entered_at + %(within)s::interval) as came
from clickstream.funnel_users
where
    funnel = %(funnel)s
    and day >= (%(since)s::timestamptz at time zone 'UTC')::date
    and day <= (%(until)s::timestamptz at time zone 'UTC')::date
    and entered_at >= %(since)s
    and entered_at < %(until)s
group by period
order by period
