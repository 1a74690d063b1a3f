-- Pieces that touch no stored session are sessions of their own.
insert into ids_only.sessions (user_id, started_at, ended_at, events)
select
    user_id,
    started_at,
    ended_at,
    events
from piece
where position not in (select touched.position from touched_plain as touched)
