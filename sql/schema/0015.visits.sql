-- A narrow row for each session, for dashboards (sql/models/visits): reading `sessions`, whose rows hold whole paths,
-- took seconds where millions of events lay in the chosen time.
-- depends: 0014.declared_funnels
-- Run by: clickstream db migrate (role clickstream_owner).

create table clickstream.visits (
    started_at timestamptz not null,
    session_id uuid not null,
    user_id text not null,
    -- sorted in a fifth of the time that texts take
    visitor bigint not null generated always as (hashtextextended(user_id, 0)) stored,
    week_hour smallint not null generated always as (
        extract(isodow from started_at at time zone 'UTC') * 24 - 24 + extract(hour from started_at at time zone 'UTC')
    ) stored,
    seconds real not null,
    page_views integer not null,
    is_new boolean not null,
    is_bot boolean not null,
    engaged boolean not null,
    converted boolean not null,
    channel text not null,
    device text not null,
    browser text not null,
    entry_page text,
    exit_page text,
    primary key (started_at, session_id)
);
create index visits_user on clickstream.visits (user_id);

-- What was stored before is built by the next run.
insert into clickstream.changed_hours (hour)
select distinct date_trunc('hour', started_at, 'UTC') from clickstream.sessions;
