-- Temporary tables of a connection: a batch's pieces of sessions, and the stored sessions that they touch.
create temporary table fragment (
    like clickstream.sessions excluding all,
    position integer not null
) on commit delete rows;
alter table fragment drop column revenue;

create temporary table touched (
    position integer not null,
    session_id uuid not null,
    appends boolean not null
) on commit delete rows;
