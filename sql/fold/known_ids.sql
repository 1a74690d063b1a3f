-- Which of a slice's event ids are stored already. Parameters: ids (uuid[]). Grain: one row per known id.
select
    incoming.position - 1 as position,
    known.content_hash
from unnest(%(ids)s::uuid[]) with ordinality as incoming (event_id, position)
inner join clickstream.event_ids as known on incoming.event_id = known.event_id
