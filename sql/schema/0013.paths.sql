-- The paths that sessions took (sql/models/paths_daily).
-- depends: 0012.tombstone_key
-- Run by: clickstream db migrate (role clickstream_owner).

create table clickstream.paths_daily (
    day date not null,
    path text[] not null check (cardinality(path) between 1 and 5),
    goes_on boolean not null,
    sessions bigint not null check (sessions > 0),
    converted bigint not null check (converted between 0 and sessions),
    revenue_e4 bigint not null,
    revenue numeric(20, 4) generated always as (revenue_e4 / 10000.0) stored
);
create index paths_daily_day on clickstream.paths_daily (day);

-- What was stored before is built by the next run.
insert into clickstream.changed_hours (hour)
select distinct date_trunc('hour', started_at, 'UTC') from clickstream.sessions;
