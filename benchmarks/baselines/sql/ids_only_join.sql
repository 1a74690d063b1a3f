-- What is left joins several stored sessions, or several pieces one: take all of them and number the islands.
with gone as (
    delete from ids_only.sessions as stored
    using
        (
            select distinct
                user_id,
                started_at
            from touched_plain
            where not alone
        ) as touched
    where stored.user_id = touched.user_id and stored.started_at = touched.started_at
    returning stored.user_id, stored.started_at, stored.ended_at, stored.events
),

parts as (
    select * from gone
    union all
    select
        user_id,
        started_at,
        ended_at,
        events
    from piece
    where position in (
        select touched.position from touched_plain as touched
        where not touched.alone
    )
),

apart as (
    select
        *,
        started_at > max(ended_at) over (
            partition by user_id order by started_at, ended_at rows between unbounded preceding and 1 preceding
        ) + interval '30 minutes' as begins
    from parts
),

numbered as (
    select
        *,
        count(*) filter (where begins) over (partition by user_id order by started_at, ended_at) as island
    from apart
)

insert into ids_only.sessions (user_id, started_at, ended_at, events)
select
    user_id,
    min(started_at),
    max(ended_at),
    sum(events)
from numbered
group by user_id, island
