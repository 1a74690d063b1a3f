-- What the stream writes: the ledger, the events and what is folded from them.
-- Run by: clickstream db migrate (role clickstream_owner). Roles are made before, by `clickstream db init`.
-- Times are UTC. Money is counted in ten-thousandths (revenue_e4), so that sums do not depend on their order;
-- `revenue` beside it is for people.

create schema clickstream;
grant usage on schema clickstream to clickstream_writer, clickstream_reader;
alter default privileges in schema clickstream grant select on tables to clickstream_reader;
alter default privileges in schema clickstream
grant select, insert, update, delete, truncate on tables to clickstream_writer;
alter default privileges in schema clickstream grant usage on sequences to clickstream_writer;

-- The ledger: the next offset of each partition moves in the transaction of the data that it covers.
create table clickstream.stream_offsets (
    topic text not null,
    topic_id text not null,
    partition integer not null,
    next_offset bigint not null check (next_offset >= 0),
    updated_at timestamptz not null default now(),
    primary key (topic, partition)
);

-- One row: who may write. The unique index makes an epoch's change wait for slices that hold the row
-- FOR KEY SHARE, while heartbeats pass.
create table clickstream.stream_lease (
    name text primary key,
    epoch bigint not null,
    holder text not null,
    heartbeat_at timestamptz not null default now(),
    unique (name, epoch)
);

-- One row per applied slice; offsets read = accepted + duplicate + rejected by construction and by check.
create table clickstream.stream_slices (
    topic text not null,
    partition integer not null,
    first_offset bigint not null,
    next_offset bigint not null,
    epoch bigint not null,
    read integer not null,
    accepted integer not null,
    duplicate integer not null,
    rejected integer not null,
    late integer not null,
    history integer not null,
    first_kafka_time timestamptz not null,
    last_kafka_time timestamptz not null,
    seconds real not null,
    applied_at timestamptz not null default clock_timestamp(),
    primary key (topic, partition, first_offset),
    check (read = accepted + duplicate + rejected)
);
create index stream_slices_applied_at on clickstream.stream_slices (applied_at);

-- Identity of each accepted event, with the coordinates and a hash of the accepted copy.
create table clickstream.event_ids (
    event_id uuid primary key,
    event_date date not null,
    partition integer not null,
    kafka_offset bigint not null,
    content_hash bigint not null
);

create table clickstream.events (
    event_id uuid not null,
    event_time timestamptz not null,
    event_type text not null,
    user_id text not null,
    session_id text,
    page_url text not null,
    page_path text not null,
    referrer text,
    referrer_medium text not null,
    user_agent text,
    device text not null,
    browser text not null,
    bot text,
    properties jsonb not null,
    kafka_time timestamptz not null
) partition by range (event_time);
-- Dates older than the daily partitions reach (ensure_event_partitions) share one partition.
create table clickstream.events_old partition of clickstream.events default;

create table clickstream.dead_letters (
    topic text not null,
    partition integer not null,
    kafka_offset bigint not null,
    kafka_time timestamptz not null,
    reason text not null,
    detail text not null,
    payload bytea,
    created_at timestamptz not null default now(),
    primary key (topic, partition, kafka_offset)
);
create index dead_letters_created_at on clickstream.dead_letters (created_at);

create table clickstream.sessions (
    session_id uuid primary key,
    user_id text not null,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    first_event_id uuid not null,
    events integer not null,
    page_views integer not null,
    searches integer not null,
    item_views integer not null,
    cart_adds integer not null,
    checkouts integer not null,
    purchases integer not null,
    sign_ups integer not null,
    revenue_e4 bigint not null,
    entry_page text,
    exit_page text,
    exit_at timestamptz,
    exit_event_id uuid,
    -- the first 100 page views with their times (Unix ms) and event ids (16 bytes each, joined): pieces of a path
    -- merge only by those
    path text[] not null,
    path_at bigint[] not null,
    path_event_ids bytea not null,
    referrer_medium text not null,
    device text not null,
    browser text not null,
    bot text,
    engaged boolean not null,
    converted boolean not null,
    quarantined boolean not null,
    revenue numeric(20, 4) generated always as (revenue_e4 / 10000.0) stored,
    check (ended_at >= started_at),
    check (events > 0)
) with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.1);
create index sessions_user on clickstream.sessions (user_id, started_at);
-- BRIN: the live figures look at the last hour only, and an extended session stays a HOT update.
create index sessions_ended_at on clickstream.sessions using brin (ended_at) with (
    pages_per_range = 16, autosummarize = on
);
create index sessions_started_at on clickstream.sessions using brin (started_at) with (
    pages_per_range = 16, autosummarize = on
);

create table clickstream.traffic_minute (
    minute timestamptz not null,
    event_type text not null,
    device text not null,
    is_bot boolean not null,
    events bigint not null,
    revenue_e4 bigint not null,
    revenue numeric(20, 4) generated always as (revenue_e4 / 10000.0) stored,
    primary key (minute, event_type, device, is_bot)
) with (fillfactor = 70);

create table clickstream.page_minute (
    minute timestamptz not null,
    page_path text not null,
    is_bot boolean not null,
    views bigint not null,
    primary key (minute, page_path, is_bot)
) with (fillfactor = 70);

-- Page load times as a histogram that adds up: bucket b holds loads of about 1.05^b ms.
create table clickstream.load_minute (
    minute timestamptz not null,
    bucket smallint not null,
    is_bot boolean not null,
    loads bigint not null,
    primary key (minute, bucket, is_bot)
) with (fillfactor = 70);

create table clickstream.anomalies (
    metric text not null,
    minute timestamptz not null,
    value double precision not null,
    expected double precision not null,
    lower_bound double precision not null,
    upper_bound double precision not null,
    score double precision not null,
    reason text not null,
    primary key (metric, minute)
);

-- Make the daily partitions of the given UTC dates. Dates older than 400 days, or so far ahead that no accepted
-- event can have them, stay in events_old: the number of partitions is bounded whatever dates arrive.
create function clickstream.ensure_event_partitions(dates date[]) returns void
language plpgsql security definer set search_path = clickstream, pg_temp as $$
declare
    day date;
    name text;
begin
    for day in
        select distinct d from unnest(dates) as d
        where d between (now() at time zone 'utc')::date - 400 and (now() at time zone 'utc')::date + 1
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
revoke all on function clickstream.ensure_event_partitions(date[]) from public;
grant execute on function clickstream.ensure_event_partitions(date[]) to clickstream_writer;
