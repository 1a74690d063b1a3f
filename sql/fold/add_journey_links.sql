-- Add a slice's changes of journey links. Parameters: parallel arrays in key order (two slices lock rows in one order);
-- sessions may be negative where stored sessions changed.
insert into clickstream.journey_links as stored (day, step, source, target, sessions)
select *
from unnest(%(days)s::date[], %(steps)s::smallint[], %(sources)s::text[], %(targets)s::text[], %(sessions)s::bigint[])
on conflict (day, step, source, target) do update set
    sessions = stored.sessions + excluded.sessions
