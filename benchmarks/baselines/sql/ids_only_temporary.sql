-- Temporary tables of a connection: a batch's pieces of sessions, and the stored sessions that they touch.
create temporary table piece (
    position integer not null,
    user_id text not null,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    events integer not null
) on commit delete rows;

create temporary table touched_plain (
    position integer not null,
    user_id text not null,
    started_at timestamptz not null,
    alone boolean not null
) on commit delete rows;
