-- Retention: how far back events are kept, what takes older ones away, and what runs of maintenance did.
-- depends: 0010.erasure
-- Run by: clickstream db migrate (role clickstream_owner).

-- At most one row. Events and ids of UTC dates before `horizon` are gone; the stream refuses what comes later for them
-- (`too_old`). It moves in the transaction that deletes, and only forwards.
create table clickstream.retention (
    is_only boolean primary key default true check (is_only),
    horizon date not null
);

-- One row a run of maintenance or replay; `counts`: what it did, or in a dry run would have done. One that was killed
-- has no end.
create table clickstream.maintenance_runs (
    run bigint generated always as identity primary key,
    operation text not null,
    dry_run boolean not null,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    counts jsonb
);
create index maintenance_runs_operation on clickstream.maintenance_runs (operation, run);

-- The first UTC date whose day can be recomputed: that of the horizon lacks the events of the night before.
create function clickstream.first_whole_day() returns date
language sql stable as $$
    select coalesce(max(horizon) + 1, '-infinity'::date) from clickstream.retention
$$;

create function clickstream.expired_partitions(before date) returns setof text
language sql stable set search_path = clickstream, pg_temp as $$
    select relname::text
    from pg_inherits inner join pg_class on pg_class.oid = inhrelid
    where
        inhparent = 'events'::regclass
        and case when relname ~ '^events_[0-9]{8}$' then substr(relname, 8)::date end < before
    order by relname
$$;

-- Drop the partitions of events before a date; how many. Waits for whoever reads events.
create function clickstream.drop_expired(before date) returns integer
language plpgsql security definer set search_path = clickstream, pg_temp as $$
declare
    name text;
    dropped integer := 0;
begin
    for name in select expired_partitions(before) loop
        execute format('drop table %I', name);
        dropped := dropped + 1;
    end loop;
    return dropped;
end $$;
revoke all on function clickstream.drop_expired(date) from public;
grant execute on function clickstream.drop_expired(date) to clickstream_writer;

-- As in 0001; what retention took away is not made again for events that will be refused.
create or replace function clickstream.ensure_event_partitions(dates date[]) returns void
language plpgsql security definer set search_path = clickstream, pg_temp as $$
declare
    day date;
    name text;
begin
    for day in
        select distinct d from unnest(dates) as d
        where
            d between (now() at time zone 'utc')::date - 400 and (now() at time zone 'utc')::date + 1
            and d >= all(select horizon from retention)
        order by d
    loop
        name := 'events_' || to_char(day, 'YYYYMMDD');
        continue when to_regclass('clickstream.' || name) is not null;
        -- A lock on the table, not an advisory one: only such a lock shows what others committed meanwhile.
        lock table events in share update exclusive mode;
        continue when to_regclass('clickstream.' || name) is not null;
        execute format('create table %I (like events including all)', name);
        execute format(
            'alter table events attach partition %I for values from (%L) to (%L)',
            name, day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00'
        );
    end loop;
end $$;

-- As in 0008; models that read events can agree with the stream's counts only where the events are still there.
create or replace view clickstream.quiet_hours as
select
    run_id,
    hour
from clickstream.model_hours as claimed
where
    hour >= (select clickstream.first_whole_day()::timestamp at time zone 'UTC')
    and not exists (
        select from clickstream.changed_hours as changed
        where changed.hour = claimed.hour
    );
