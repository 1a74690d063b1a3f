-- How long it took those of a day's funnel who came to the last step, from the first: a histogram of funnel_users.
-- Parameters: run_id, funnel (text), steps (text[]).
-- Grain: one row for each funnel, UTC day of the entry and class of time that somebody is in.
-- Usage: clickstream_models, after funnel_users/query.sql; one transaction. Builds the days of funnel_days. Idempotent.
set local search_path = clickstream;

set local time zone 'UTC';

select pg_advisory_xact_lock('funnel_users'::regclass::oid::bigint);

delete from funnel_times as stored
using funnel_days as changed
where
    changed.run_id = %(run_id)s
    and changed.funnel = %(funnel)s
    and stored.funnel = changed.funnel
    and stored.day = changed.day;

insert into funnel_times
with borders (at_least, below) as (
    select
        border::interval,
        lead(border::interval, 1, interval 'infinity') over (order by border::interval)
    from
        unnest(array[
            '0', '10 seconds', '30 seconds', '1 minute', '2 minutes', '5 minutes', '10 minutes', '15 minutes',
            '30 minutes', '1 hour', '2 hours', '4 hours', '8 hours', '12 hours', '1 day', '2 days', '3 days', '5 days',
            '7 days', '14 days', '30 days'
        ]) as border
)

select
    entries.funnel,
    entries.day,
    borders.at_least,
    borders.below,
    count(*) as users
from funnel_days as changed
inner join funnel_users as entries on changed.funnel = entries.funnel and changed.day = entries.day
inner join borders
    on
        borders.at_least <= entries.step_at[entries.reached] - entries.step_at[1]
        and borders.below > entries.step_at[entries.reached] - entries.step_at[1]
where
    changed.run_id = %(run_id)s
    and changed.funnel = %(funnel)s
    and entries.reached = cardinality(%(steps)s::text[])
group by entries.funnel, entries.day, borders.at_least, borders.below;

select
    count(distinct day) as days,
    sum(users) as converted
from funnel_times
where (funnel, day) in (
    select
        changed.funnel,
        changed.day
    from funnel_days as changed
    where changed.run_id = %(run_id)s and changed.funnel = %(funnel)s
);
