-- What clickstream_backfill writes: its runs, what they found to differ, and where a recomputed day waits for its swap.
-- depends: 0008.models
-- Run by: clickstream db migrate (role clickstream_owner).

-- A backfill asks for the accepted events of a date, and which dates got events since an offset.
create index event_ids_event_date on clickstream.event_ids using brin (event_date) with (autosummarize = on);

-- One row a recomputed day. `vector` is the next offset of each partition that the recompute from the archive reached;
-- what the stream accepted until the swap was added to it. `differences`: how many rows differed, by table.
create table clickstream.backfill_runs (
    run bigint generated always as identity primary key,
    topic text not null,
    day date not null,
    vector jsonb not null,
    started_at timestamptz not null default clock_timestamp(),
    swapped_at timestamptz,
    events bigint,
    sessions bigint,
    differences jsonb
);
create index backfill_runs_day on clickstream.backfill_runs (day, run);

-- Rows that differed and were replaced; of a table in a run at most 10,000 (backfill_runs has the number of all).
-- `stored` and `recomputed` hold the columns that differ; null: there was, or is, no such row.
create table clickstream.backfill_diffs (
    run bigint not null references clickstream.backfill_runs,
    table_name text not null,
    key jsonb not null,
    stored jsonb,
    recomputed jsonb
);
create index backfill_diffs_run on clickstream.backfill_diffs (run, table_name);

-- Staging: the tables that a swap compares, with the run in front. A run's rows lie in partitions of their own, which
-- are not logged and go with it; a process of an earlier run finds no place any more.
create table clickstream.backfill_events (
    run bigint not null,
    event_id uuid not null,
    event_time timestamptz not null,
    user_id text not null,
    page_path text not null,
    page_group text not null,
    referrer_medium text not null,
    device text not null,
    browser text not null,
    bot text,
    product_id text,
    category text
) partition by list (run);
-- `carried`: the part in this day of a session that started before; it belongs to another day.
create table clickstream.backfill_sessions (
    run bigint not null,
    carried boolean not null,
    like clickstream.sessions
) partition by list (run);
create table clickstream.backfill_session_anomalies (
    run bigint not null,
    like clickstream.session_anomalies
) partition by list (run);
-- Counts and links are parts to be added up.
create table clickstream.backfill_traffic_minute (
    run bigint not null,
    like clickstream.traffic_minute
) partition by list (run);
create table clickstream.backfill_page_minute (
    run bigint not null,
    like clickstream.page_minute
) partition by list (run);
create table clickstream.backfill_load_minute (
    run bigint not null,
    like clickstream.load_minute
) partition by list (run);
create table clickstream.backfill_journey_links (
    run bigint not null,
    like clickstream.journey_links
) partition by list (run);

create function clickstream.backfill_staging() returns text[] language sql immutable -- noqa: LT01
return array[ -- noqa: LT01
    'events', 'sessions', 'session_anomalies', 'traffic_minute', 'page_minute', 'load_minute', 'journey_links'
];

-- Forget what a run staged.
create function clickstream.close_backfill(old_run bigint) returns void
language plpgsql security definer set search_path = clickstream, pg_temp as $$
declare
    name text;
begin
    foreach name in array backfill_staging() loop
        execute format('drop table if exists %I', 'backfill_' || name || '_' || old_run);
    end loop;
end $$;

-- Begin a run of a day and make its staging; what earlier runs of the day left, or any a day ago, goes.
create function clickstream.open_backfill(run_topic text, run_day date, run_vector jsonb) returns bigint
language plpgsql security definer set search_path = clickstream, pg_temp as $$
declare
    new_run bigint;
    old_run bigint;
    name text;
    staging text;
begin
    for old_run in
        select run from backfill_runs
        where
            (day = run_day or started_at < now() - interval '1 day')
            and to_regclass('clickstream.backfill_events_' || run) is not null
    loop
        perform close_backfill(old_run);
    end loop;
    insert into backfill_runs (topic, day, vector) values (run_topic, run_day, run_vector) returning run into new_run;
    foreach name in array backfill_staging() loop
        staging := 'backfill_' || name || '_' || new_run;
        execute format('create unlogged table %I (like %I including defaults)', staging, 'backfill_' || name);
        execute format('alter table %I attach partition %I for values in (%L)', 'backfill_' || name, staging, new_run);
    end loop;
    execute format('create index on %I (user_id)', 'backfill_sessions_' || new_run);
    return new_run;
end $$;

revoke all on function clickstream.open_backfill(text, date, jsonb) from public;
revoke all on function clickstream.close_backfill(bigint) from public;
grant execute on function clickstream.open_backfill(text, date, jsonb) to clickstream_writer;
grant execute on function clickstream.close_backfill(bigint) to clickstream_writer;

-- What other ways to cut sessions would make of a day: sums over the sessions that start in it, followed to the end of
-- the next day. Written by `clickstream_backfill` with the param `compare_policies`.
create table clickstream.session_policies (
    day date not null,
    policy text not null,
    sessions bigint not null,
    users bigint not null,
    bots bigint not null,
    engaged bigint not null,
    converted bigint not null,
    single_event bigint not null,
    events bigint not null,
    seconds double precision not null,
    revenue_e4 bigint not null,
    revenue numeric(20, 4) generated always as (revenue_e4 / 10000.0) stored,
    measured_at timestamptz not null default clock_timestamp(),
    primary key (day, policy)
);
