-- Widen the sessions that one piece touches.
update ids_only.sessions as stored set
    started_at = least(stored.started_at, piece.started_at),
    ended_at = greatest(stored.ended_at, piece.ended_at),
    events = stored.events + piece.events
from touched_plain as touched inner join piece on touched.position = piece.position
where touched.alone and stored.user_id = touched.user_id and stored.started_at = touched.started_at
