-- Keep what differed, of a run and table at most 10,000 rows, and of each only the columns that differ.
-- Parameters: run; reads differing_events.
with differing as (
    select
        event_id,
        stored,
        to_jsonb(named) as recomputed
    from pg_temp.differing_events as named
)

insert into clickstream.backfill_diffs (run, table_name, key, stored, recomputed)
select
    %(run)s,
    'events',
    jsonb_build_object('event_id', differing.event_id),
    jsonb_object_agg(was.key, was.value),
    jsonb_object_agg(was.key, differing.recomputed -> was.key)
from differing
cross join lateral jsonb_each(differing.stored) as was
where differing.recomputed -> was.key is distinct from was.value
group by differing.event_id
order by differing.event_id
limit 10000
