-- In which ISO weeks each person came, and in which week first: the list that retention_weekly counts.
-- Parameters: run_id (text).
-- Grain: one row for each user and ISO week (its Monday) in which a session of the user began. People only.
-- Usage: clickstream_models, after scope/claim.sql; one transaction. Builds the users of model_users in the weeks that
-- their changed events can reach: to a session that began one gap later, and back to one that they extended. Leaves
-- rows alone that stay the same; notes in retention_weeks what retention_weekly must count again. Idempotent.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

create temporary table week_scope (
    user_id text primary key,
    first_week date not null,
    last_week date not null
) on commit drop;

insert into week_scope
select
    changed.user_id,
    date_trunc('week', coalesce(earlier.started_at, changed.first_day::timestamptz))::date,
    date_trunc('week', (changed.last_day + 1)::timestamptz)::date
from clickstream.model_users as changed
left join
    lateral (
        select
            sessions.started_at,
            sessions.ended_at
        from clickstream.sessions
        where sessions.user_id = changed.user_id and sessions.started_at < changed.first_day::timestamptz
        order by sessions.started_at desc
        limit 1
    ) as earlier
    on earlier.ended_at >= changed.first_day::timestamptz - interval '1 day'
where changed.run_id = %(run_id)s;

analyze week_scope;

create temporary table weeks_built (
    user_id text not null,
    week date not null,
    primary key (user_id, week)
) on commit drop;

insert into weeks_built
select distinct
    week_scope.user_id,
    date_trunc('week', sessions.started_at)::date
from week_scope
inner join clickstream.sessions
    on
        week_scope.user_id = sessions.user_id
        and week_scope.first_week::timestamptz <= sessions.started_at
        and (week_scope.last_week + 7)::timestamptz > sessions.started_at
where sessions.bot is null and not sessions.quarantined;

create temporary table weeks_changed (
    user_id text not null,
    week date not null
) on commit drop;

with gone as (
    delete from clickstream.user_weeks as stored
    using week_scope
    where
        stored.user_id = week_scope.user_id
        and stored.week between week_scope.first_week and week_scope.last_week
        and not exists (
            select from weeks_built
            where weeks_built.user_id = stored.user_id and weeks_built.week = stored.week
        )
    returning stored.user_id, stored.week
)

insert into weeks_changed
select * from gone;

with come as (
    insert into clickstream.user_weeks (user_id, week, cohort_week)
    select
        user_id,
        week,
        week as cohort_week
    from weeks_built
    order by user_id, week
    on conflict (user_id, week) do nothing
    returning user_id, week
)

insert into weeks_changed
select * from come;

with moved as (
    update clickstream.user_weeks as stored set cohort_week = firsts.first_week
    from (
        select
            users.user_id,
            (
                select min(weeks.week)
                from clickstream.user_weeks as weeks
                where weeks.user_id = users.user_id
            ) as first_week
        from (select distinct user_id from weeks_changed) as users
    ) as firsts
    where stored.user_id = firsts.user_id and stored.cohort_week <> firsts.first_week
    returning stored.user_id, stored.week
)

insert into weeks_changed
select * from moved;

insert into clickstream.retention_weeks (week, run_id)
select distinct
    week,
    %(run_id)s
from weeks_changed
on conflict (week) do update set run_id = excluded.run_id;

select
    (select count(*) from week_scope) as users,
    (select count(*) from weeks_changed) as changed;
