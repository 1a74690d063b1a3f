-- The tables of the hand-written consumer that stores ids only.
create schema ids_only;
grant usage on schema ids_only to clickstream_writer, clickstream_reader;
create table ids_only.ids (event_id uuid primary key);
create table ids_only.minutes (
    minute timestamptz primary key,
    events bigint not null
) with (fillfactor = 70);
create table ids_only.sessions (
    user_id text not null,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    events integer not null,
    primary key (user_id, started_at)
) with (fillfactor = 85);
grant select, insert, update, delete on all tables in schema ids_only to clickstream_writer;
grant select on all tables in schema ids_only to clickstream_reader;
