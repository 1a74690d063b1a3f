-- Which stored sessions the pieces touch; `alone`: this piece and this session touch nothing else.
insert into touched_plain (position, user_id, started_at, alone)
select
    piece.position,
    piece.user_id,
    stored.started_at,
    count(*) over (partition by piece.position) = 1
    and count(*) over (partition by piece.user_id, stored.started_at) = 1
from piece
cross join
    lateral (
        (
            select
                before.started_at,
                before.ended_at
            from ids_only.sessions as before
            where before.user_id = piece.user_id and before.started_at <= piece.started_at
            order by before.started_at desc
            limit 1
        )
        union all
        select
            following.started_at,
            following.ended_at
        from ids_only.sessions as following
        where
            following.user_id = piece.user_id
            and following.started_at > piece.started_at
            and following.started_at <= piece.ended_at + interval '30 minutes'
    ) as stored
where stored.ended_at >= piece.started_at - interval '30 minutes'
