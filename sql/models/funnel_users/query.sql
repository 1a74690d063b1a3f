-- Who entered an ordered funnel on which day, and how far each got: the list that funnel_steps counts.
-- Parameters: run_id, funnel (text), steps (text[]: event types, all different), within (interval).
-- Grain: one row for each funnel, UTC day of step 1 and user. People only: no declared bots.
-- Semantics: t1 <= t2 <= ... <= tn <= t1 + window; equal times count as in order, other events may lie between.
-- The entry is the first step-1 event of the user and day (by time, then event_id); it gives entered_at and device.
-- The result (reached, step_at) is the furthest step over all starts of that day, of the earliest start on a tie.
-- Usage: clickstream_models, after scope/claim.sql; one transaction. Builds the users of model_users on each day that
-- their changed events can reach, and leaves rows alone that stay the same. Idempotent.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

create temporary table funnel_scope (
    user_id text not null,
    first_day date not null,
    last_day date not null
) on commit drop;

-- An event reaches back to the starts of up to `window` before it.
insert into funnel_scope
select
    user_id,
    (first_day::timestamptz - %(within)s::interval)::date,
    last_day
from clickstream.model_users
where run_id = %(run_id)s;

analyze funnel_scope;

create temporary table funnel_events (
    user_id text not null,
    step integer not null,
    event_time timestamptz not null,
    event_id uuid not null,
    device text not null
) on commit drop;

insert into funnel_events
select
    funnel_scope.user_id,
    array_position(%(steps)s::text[], events.event_type),
    events.event_time,
    events.event_id,
    events.device
from funnel_scope
inner join clickstream.events
    on
        funnel_scope.user_id = events.user_id
        and events.event_time >= funnel_scope.first_day::timestamptz
        and events.event_time < (funnel_scope.last_day + 1)::timestamptz + %(within)s::interval
where events.bot is null and events.event_type = any(%(steps)s::text[]);

create index on funnel_events (user_id, step, event_time);

analyze funnel_events;

create temporary table funnel_built (like clickstream.funnel_users) on commit drop;

insert into funnel_built
with recursive entries as (
    select distinct on (day, user_id)
        entry.day,
        entry.user_id,
        entry.device,
        entry.event_time as entered_at
    from funnel_scope
    inner join (
        select
            event_time::date as day,
            *
        from funnel_events
        where step = 1
    ) as entry
        on
            funnel_scope.user_id = entry.user_id
            and entry.day between funnel_scope.first_day and funnel_scope.last_day
    order by entry.day, entry.user_id, entry.event_time, entry.event_id
),

-- From each start the earliest next step: what comes later cannot reach further.
chains as (
    select distinct
        entries.day,
        entries.user_id,
        1 as reached,
        array[starts.event_time] as step_at
    from entries
    inner join funnel_events as starts
        on
            entries.user_id = starts.user_id
            and starts.step = 1
            and entries.entered_at <= starts.event_time
            and starts.event_time < (entries.day + 1)::timestamptz
    union all
    select
        chains.day,
        chains.user_id,
        chains.reached + 1,
        chains.step_at || next_step.at
    from chains
    inner join lateral (
        select min(following.event_time) as at
        from funnel_events as following
        where
            following.user_id = chains.user_id
            and following.step = chains.reached + 1
            and following.event_time >= chains.step_at[chains.reached]
            and following.event_time <= chains.step_at[1] + %(within)s::interval
    ) as next_step on true
    where next_step.at is not null
),

results as (
    select distinct on (day, user_id)
        day,
        user_id,
        reached,
        step_at
    from chains
    order by day asc, user_id asc, reached desc, step_at[1]
)

select
    %(funnel)s,
    entries.day,
    entries.user_id,
    entries.device,
    entries.entered_at,
    results.reached,
    results.step_at
from entries
inner join results using (day, user_id);

with gone as (
    delete from clickstream.funnel_users as stored
    using funnel_scope
    where
        stored.funnel = %(funnel)s
        and stored.user_id = funnel_scope.user_id
        and stored.day between funnel_scope.first_day and funnel_scope.last_day
        and not exists (
            select from funnel_built
            where row(funnel_built.*) = row(stored.*)
        )
    returning stored.day
)

insert into clickstream.funnel_days (funnel, day, run_id)
select distinct
    %(funnel)s,
    day,
    %(run_id)s
from gone
on conflict (funnel, day) do update set run_id = excluded.run_id;

with come as (
    insert into clickstream.funnel_users
    select * from funnel_built
    order by funnel, day, user_id
    on conflict (funnel, day, user_id) do nothing
    returning day
)

insert into clickstream.funnel_days (funnel, day, run_id)
select distinct
    %(funnel)s,
    day,
    %(run_id)s
from come
on conflict (funnel, day) do update set run_id = excluded.run_id;

select
    count(*) as entries,
    count(*) filter (where reached = cardinality(%(steps)s::text[])) as completed
from funnel_built;
