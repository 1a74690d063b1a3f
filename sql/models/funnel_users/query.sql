-- Who entered a funnel on which day, and how far each got: the list that funnel_steps counts.
-- Parameters: run_id; those of clickstream.funnels.compile.parameters: funnel, scope, within (interval), same_day,
-- step_order, strict_ties, steps (text[]), breakdown (text[]), attribution, attribution_step (integer), types (text[],
-- null: all), in_index (boolean), kinds, rules (json).
-- Grain: one row for each funnel, UTC day of the entry and user (scope session: session). People only: no declared
-- bots, and nothing of a session that is a bot's or quarantined.
-- Semantics: docs/funnels.md; which event fills which step is decided by match_funnel (sql/schema/0007.funnels.sql).
-- Usage: clickstream_models, after scope/claim.sql; one transaction. Builds the users of model_users on each day that
-- their changed events can reach, and leaves rows alone that stay the same. Idempotent.
-- Names have no schema, so that `clickstream funnel run` can lay temporary tables before those of the platform.
set local search_path = clickstream;

set local time zone 'UTC';

set local work_mem = '128MB';

select pg_advisory_xact_lock('funnel_users'::regclass::oid::bigint);

create temporary table funnel_scope (
    user_id text not null,
    first_day date not null,
    last_day date not null
) on commit drop;

-- An event changes what its session is, from its start to its end, and reaches back to the starts of up to `within`
-- before. What is not quarantined lasts at most 3 days, and what joins two sessions lies between them.
insert into funnel_scope
select
    users.user_id,
    (
        least(users.first_day::timestamptz, min(sessions.started_at))
        - coalesce(%(within)s::interval, interval '0')
    )::date,
    greatest(users.last_day, max(sessions.ended_at)::date)
from model_users as users
left join sessions
    on
        users.user_id = sessions.user_id
        and sessions.started_at >= users.first_day::timestamptz - interval '4 days'
        and sessions.started_at < (users.last_day + 1)::timestamptz
        and sessions.ended_at >= users.first_day::timestamptz
where users.run_id = %(run_id)s
group by users.user_id, users.first_day, users.last_day;

-- What was counted of days whose events retention took away stays.
delete from funnel_scope
where last_day < any(select horizon from retention);

update funnel_scope set first_day = retention.horizon
from retention
where funnel_scope.first_day < retention.horizon;

analyze funnel_scope;

create temporary table funnel_ranges (
    scope_id text not null,
    user_id text not null,
    begins timestamptz not null,
    ends timestamptz not null,
    first_day date not null,
    last_day date not null,
    by_index boolean not null default false
) on commit drop;

insert into funnel_ranges
select
    user_id as scope_id,
    user_id,
    first_day::timestamptz,
    (last_day + 1)::timestamptz + coalesce(%(within)s::interval, interval '0'),
    first_day,
    last_day
from funnel_scope
where %(scope)s = 'user'
union all
select
    sessions.session_id::text,
    sessions.user_id,
    sessions.started_at,
    sessions.ended_at,
    funnel_scope.first_day,
    funnel_scope.last_day
from funnel_scope
inner join sessions
    on
        funnel_scope.user_id = sessions.user_id
        and sessions.started_at >= funnel_scope.first_day::timestamptz - interval '4 days'
        and sessions.started_at < (funnel_scope.last_day + 1)::timestamptz
        and sessions.ended_at >= funnel_scope.first_day::timestamptz
where %(scope)s = 'session' and sessions.bot is null and not sessions.quarantined;

-- The longest ranges are looked up one by one in the index events_funnel, where it has all types: a few changed users
-- cost a few look-ups, and one with an old late event does not make the others read its whole stretch. What is left is
-- read in one go: looking up everybody would cost more.
update funnel_ranges as ranges set by_index = true
from (
    select scope_id
    from funnel_ranges
    order by ends - begins desc
    limit 2000
) as longest
where ranges.scope_id = longest.scope_id and %(in_index)s;

analyze funnel_ranges;

create temporary table funnel_left_out (
    user_id text not null,
    started_at timestamptz not null,
    ended_at timestamptz not null
) on commit drop;

insert into funnel_left_out
select
    sessions.user_id,
    sessions.started_at,
    sessions.ended_at
from funnel_scope
inner join sessions on funnel_scope.user_id = sessions.user_id
where sessions.bot is not null or sessions.quarantined;

analyze funnel_left_out;

create temporary table funnel_kinds (
    event_type text,
    marks integer not null,
    asks boolean not null
) on commit drop;

insert into funnel_kinds
select * from jsonb_to_recordset(%(kinds)s::jsonb) as kinds (event_type text, marks integer, asks boolean);

analyze funnel_kinds;

create temporary table funnel_rules (
    rule bigint not null,
    marks integer not null,
    types text[],
    page text,
    url text,
    conditions jsonb not null
) on commit drop;

insert into funnel_rules
select
    row_number() over (),
    rules.*
from
    jsonb_to_recordset(%(rules)s::jsonb)
        as rules (marks integer, types text[], page text, url text, conditions jsonb);

create temporary table funnel_conditions (
    rule bigint not null,
    name text not null,
    test text not null,
    value jsonb not null
) on commit drop;

insert into funnel_conditions
select
    funnel_rules.rule,
    conditions.*
from funnel_rules
cross join jsonb_to_recordset(funnel_rules.conditions) as conditions (name text, test text, value jsonb);

-- What the index events_funnel holds: its own condition, so that the planner knows.
create or replace temporary view funnel_indexed as
select
    event_id,
    event_time,
    event_type,
    user_id,
    page_path,
    page_url,
    properties,
    device,
    browser
from events
where
    bot is null
    and event_type in (
        'search', 'view_item', 'add_to_cart', 'remove_from_cart', 'begin_checkout', 'add_payment_info', 'purchase',
        'sign_up', 'login'
    );

create temporary table funnel_built (like funnel_users) on commit drop;

insert into funnel_built
with funnel_read_days as (
    select distinct days.day
    from (
        select distinct
            date_trunc('day', begins) as first,
            date_trunc('day', ends) as last
        from funnel_ranges
        where not by_index
    ) as spans
    cross join generate_series(spans.first, spans.last, interval '1 day') as days (day)
),

funnel_read as (
    -- What asks for types alone finds all in the index.
    select
        ranges.scope_id,
        own.*
    from funnel_ranges as ranges
    cross join
        lateral (
            -- Materialized: the planner must not join all ranges with all events instead.
            with looked_up as materialized (
                select
                    events.event_id,
                    events.event_time,
                    events.event_type,
                    events.user_id,
                    null::text as page_path,
                    null::text as page_url,
                    null::jsonb as properties,
                    events.device,
                    events.browser
                from funnel_indexed as events
                where
                    ranges.user_id = events.user_id
                    and ranges.begins <= events.event_time
                    and ranges.ends >= events.event_time
                    and events.event_type = any(%(types)s::text[])
            )

            select * from looked_up
        ) as own
    where ranges.by_index and %(rules)s::jsonb = '[]'
    union all
    select
        ranges.scope_id,
        own.*
    from funnel_ranges as ranges
    cross join
        lateral (
            with looked_up as materialized (
                select
                    events.event_id,
                    events.event_time,
                    events.event_type,
                    events.user_id,
                    events.page_path,
                    events.page_url,
                    events.properties,
                    events.device,
                    events.browser
                from funnel_indexed as events
                where
                    ranges.user_id = events.user_id
                    and ranges.begins <= events.event_time
                    and ranges.ends >= events.event_time
                    and events.event_type = any(%(types)s::text[])
            )

            select * from looked_up
        ) as own
    where ranges.by_index and %(rules)s::jsonb <> '[]'
    union all
    select
        ranges.scope_id,
        events.event_id,
        events.event_time,
        events.event_type,
        events.user_id,
        null::text as page_path,
        null::text as page_url,
        null::jsonb as properties,
        events.device,
        events.browser
    from funnel_ranges as ranges
    inner join funnel_indexed as events
        on
            ranges.user_id = events.user_id
            and ranges.begins <= events.event_time
            and ranges.ends >= events.event_time
    where
        %(in_index)s
        and %(rules)s::jsonb = '[]'
        and not ranges.by_index
        and events.event_type = any(%(types)s::text[])
        and events.event_time >= (
            select min(begins) from funnel_ranges
            where not by_index
        )
        and events.event_time <= (
            select max(ends) from funnel_ranges
            where not by_index
        )
    union all
    -- Of all others only the days are read that somebody needs; by the offset, before they are joined.
    select
        ranges.scope_id,
        own.*
    from funnel_read_days as days
    cross join
        lateral (
            select
                events.event_id,
                events.event_time,
                events.event_type,
                events.user_id,
                events.page_path,
                events.page_url,
                events.properties,
                events.device,
                events.browser
            from events
            where
                events.event_time >= days.day
                and events.event_time < days.day + interval '1 day'
                and events.bot is null
                and (%(types)s::text[] is null or events.event_type = any(%(types)s::text[]))
            offset 0 -- noqa: AM09
        ) as own
    inner join funnel_ranges as ranges
        on
            own.user_id = ranges.user_id
            and own.event_time >= ranges.begins
            and own.event_time <= ranges.ends
    where
        not ranges.by_index
        and not (%(in_index)s and %(rules)s::jsonb = '[]')
),

marked as materialized (
    select
        events.scope_id,
        events.event_time,
        events.event_id,
        events.device,
        events.browser,
        coalesce(named.marks, others.marks) | case
            when coalesce(named.asks, others.asks)
                then (
                    select coalesce(bit_or(rules.marks), 0)
                    from funnel_rules as rules
                    where
                        (rules.types is null or events.event_type = any(rules.types))
                        and (rules.page is null or events.page_path ~ rules.page)
                        and (rules.url is null or events.page_url ~ rules.url)
                        and not exists (
                            select from funnel_conditions as wanted
                            where
                                wanted.rule = rules.rule
                                and case wanted.test
                                    when 'equals' then events.properties -> wanted.name is distinct from wanted.value
                                    when 'in'
                                        then not coalesce(
                                            events.properties -> wanted.name
                                            = any(array(select jsonb_array_elements(wanted.value))),
                                            false
                                        )
                                    when 'exists'
                                        then wanted.value <> to_jsonb(events.properties ->> wanted.name is not null)
                                    when '>'
                                        then
                                            jsonb_typeof(events.properties -> wanted.name) is distinct from 'number'
                                            or events.properties -> wanted.name <= wanted.value
                                    when '<'
                                        then
                                            jsonb_typeof(events.properties -> wanted.name) is distinct from 'number'
                                            or events.properties -> wanted.name >= wanted.value
                                end
                        )
                )
            else 0
        end as marks
    from funnel_read as events
    left join funnel_kinds as named on events.event_type = named.event_type
    inner join funnel_kinds as others on others.event_type is null
    where
        not exists (
            select from funnel_left_out as left_out
            where
                left_out.user_id = events.user_id
                and left_out.started_at <= events.event_time
                and left_out.ended_at >= events.event_time
        )
),

scopes as (
    select
        scope_id,
        array_agg(event_time order by event_time, event_id) as times,
        array_agg(marks order by event_time, event_id) as marks,
        bit_or(marks) as seen,
        array_agg(device order by event_time, event_id) as devices,
        array_agg(browser order by event_time, event_id) as browsers
    from marked
    where marks <> 0
    group by scope_id
),

matched as (
    select
        ranges.scope_id,
        ranges.user_id,
        scopes.times,
        scopes.devices,
        scopes.browsers,
        found.day,
        found.entry,
        found.events,
        case %(attribution)s
            when 'first' then found.entry
            when 'last' then found.events[cardinality(found.events)]
            else found.events[%(attribution_step)s::integer]
        end as attributed
    from scopes
    inner join funnel_ranges as ranges on scopes.scope_id = ranges.scope_id
    cross join
        match_funnel(
            scopes.times, scopes.marks, scopes.seen, cardinality(%(steps)s::text[]), %(step_order)s, %(strict_ties)s,
            %(within)s::interval, %(same_day)s, ranges.first_day, ranges.last_day
        ) as found
)

select
    %(funnel)s,
    matched.day,
    matched.scope_id,
    matched.user_id,
    matched.times[matched.entry],
    cardinality(matched.events),
    array(select matched.times[filling] from unnest(matched.events) as filling),
    jsonb_strip_nulls(jsonb_build_object(
        'device',
        case when 'device' = any(%(breakdown)s::text[]) then coalesce(devices[attributed], '(not reached)') end,
        'browser',
        case when 'browser' = any(%(breakdown)s::text[]) then coalesce(browsers[attributed], '(not reached)') end,
        'channel',
        case
            when 'channel' <> all(%(breakdown)s::text[]) then null
            when attributed is null then '(not reached)'
            else coalesce(visit.channel, '(none)')
        end,
        'entry_page',
        case
            when 'entry_page' <> all(%(breakdown)s::text[]) then null
            when attributed is null then '(not reached)'
            else coalesce(visit.entry_page, '(none)')
        end
    ))
from matched
left join lateral (
    select
        sessions.channel,
        sessions.entry_page
    from sessions
    where sessions.user_id = matched.user_id and sessions.started_at <= matched.times[matched.attributed]
    order by sessions.started_at desc
    limit 1
) as visit on %(breakdown)s::text[] && array['channel', 'entry_page'];

-- Else the planner takes it for small, and compares each row with each that is stored.
analyze funnel_built (funnel, day, scope_id, user_id);

with gone as (
    delete from funnel_users as stored
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

insert into funnel_days (funnel, day, run_id)
select distinct
    %(funnel)s,
    day,
    %(run_id)s
from gone
on conflict (funnel, day) do update set run_id = excluded.run_id;

with come as (
    insert into funnel_users
    select * from funnel_built
    where
        not exists (
            select from funnel_users as stored
            where
                stored.funnel = funnel_built.funnel
                and stored.day = funnel_built.day
                and stored.scope_id = funnel_built.scope_id
        )
    order by funnel, day, scope_id
    returning day
)

insert into funnel_days (funnel, day, run_id)
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
