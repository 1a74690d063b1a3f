-- Which stored sessions the fragments touch. Sessions of a user do not overlap: before a fragment only the last that
-- started can reach it. `appends`: the fragment touches this session alone, nobody else does, and it comes after.
insert into touched (position, session_id, appends)
select
    fragment.position,
    stored.session_id,
    count(*) over (partition by fragment.position) = 1
    and count(*) over (partition by stored.session_id) = 1
    and fragment.started_at > stored.ended_at
from fragment
cross join
    lateral (
        (
            select
                before.session_id,
                before.ended_at
            from clickstream.sessions as before
            where before.user_id = fragment.user_id and before.started_at <= fragment.started_at
            order by before.started_at desc
            limit 1
        )
        union all
        select
            following.session_id,
            following.ended_at
        from clickstream.sessions as following
        where
            following.user_id = fragment.user_id
            and following.started_at > fragment.started_at
            and following.started_at <= fragment.ended_at + interval '30 minutes'
    ) as stored
where stored.ended_at >= fragment.started_at - interval '30 minutes'
