-- What this run builds: the users and hours that changed since the last run, those that a failed run left, and those
-- with events in the run's own data interval (so that a backfill of this DAG builds any past range again).
-- Parameters: run_id (text), interval_start, interval_end (timestamptz).
-- Grain: one row of model_users for each user, with the first and last UTC date to look at; one of model_hours for each
-- UTC hour. Idempotent.
-- Usage: the first task of clickstream_models; one transaction.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

update clickstream.model_users set run_id = %(run_id)s
where run_id <> %(run_id)s;

update clickstream.model_hours set run_id = %(run_id)s
where run_id <> %(run_id)s;

update clickstream.funnel_days set run_id = %(run_id)s
where run_id <> %(run_id)s;

update clickstream.retention_weeks set run_id = %(run_id)s
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

with changed as (
    delete from clickstream.changed_hours
    returning hour
),

in_interval as (
    select hour
    from
        generate_series(
            date_trunc('hour', %(interval_start)s::timestamptz, 'UTC'),
            %(interval_end)s::timestamptz - interval '1 microsecond',
            interval '1 hour'
        ) as hour
    where %(interval_start)s::timestamptz < %(interval_end)s::timestamptz
)

insert into clickstream.model_hours (hour, run_id)
select
    hour,
    %(run_id)s
from (
    select * from changed
    union
    select * from in_interval
) as hours
on conflict (hour) do update set run_id = excluded.run_id;

select
    users.users,
    users.first_day,
    users.last_day,
    hours.hours,
    hours.first_hour,
    hours.last_hour
from (
    select
        count(*) as users,
        min(first_day)::text as first_day,
        max(last_day)::text as last_day
    from clickstream.model_users
    where run_id = %(run_id)s
) as users
cross join (
    select
        count(*) as hours,
        min(hour)::text as first_hour,
        max(hour)::text as last_hour
    from clickstream.model_hours
    where run_id = %(run_id)s
) as hours;
