-- What this run builds: the users whose events changed since the last run, those that a failed run left, and those
-- with events in the run's own data interval (so that a backfill of this DAG builds any past range again).
-- Parameters: run_id (text), interval_start, interval_end (timestamptz).
-- Grain: one row of model_users for each user, with the first and last UTC date to look at. Idempotent.
-- Usage: the first task of clickstream_models; one transaction.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

update clickstream.model_users set run_id = %(run_id)s
where run_id <> %(run_id)s;

update clickstream.funnel_days set run_id = %(run_id)s
where run_id <> %(run_id)s;

with changed as (
    delete from clickstream.model_changes
    returning user_id, day
),

in_interval as (
    select
        user_id,
        event_time::date as day
    from clickstream.events
    where event_time >= %(interval_start)s::timestamptz and event_time < %(interval_end)s::timestamptz
),

users as (
    select
        user_id,
        min(day) as first_day,
        max(day) as last_day
    from (
        select * from changed
        union all
        select * from in_interval
    ) as touched
    group by user_id
)

insert into clickstream.model_users as claimed (user_id, first_day, last_day, run_id)
select
    user_id,
    first_day,
    last_day,
    %(run_id)s
from users
on conflict (user_id) do update set
    first_day = least(claimed.first_day, excluded.first_day),
    last_day = greatest(claimed.last_day, excluded.last_day),
    run_id = excluded.run_id;

select
    count(*) as users,
    min(first_day)::text as first_day,
    max(last_day)::text as last_day
from clickstream.model_users
where run_id = %(run_id)s;
