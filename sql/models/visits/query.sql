-- Sessions in narrow rows, for dashboards that count them by what a visitor is like.
-- Parameters: run_id (text).
-- Grain: one row for each session that is not quarantined, bots among them.
-- Semantics: is_new: the visitor had no session before, ever.
-- Usage: clickstream_models, after scope/claim.sql; one transaction. Builds the hours of model_hours, and is_new of all
-- sessions of the visitors in them. Idempotent.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

create temporary table visitors_touched (user_id text primary key) on commit drop;

with gone as (
    delete from clickstream.visits as stored
    using clickstream.model_hours as changed
    where
        changed.run_id = %(run_id)s
        and changed.hour <= stored.started_at and changed.hour + interval '1 hour' > stored.started_at
    returning stored.user_id
)

insert into visitors_touched
select distinct user_id from gone;

with come as (
    insert into clickstream.visits (
        started_at, session_id, user_id, seconds, page_views, is_new, is_bot, engaged, converted, channel, device,
        browser, entry_page, exit_page
    )
    select
        sessions.started_at,
        sessions.session_id,
        sessions.user_id,
        extract(epoch from sessions.ended_at - sessions.started_at),
        sessions.page_views,
        not exists (
            select from clickstream.sessions as earlier
            where earlier.user_id = sessions.user_id and earlier.started_at < sessions.started_at
        ),
        sessions.bot is not null,
        sessions.engaged,
        sessions.converted,
        sessions.channel,
        sessions.device,
        sessions.browser,
        sessions.entry_page,
        sessions.exit_page
    from clickstream.model_hours as changed
    inner join clickstream.sessions
        on changed.hour <= sessions.started_at and changed.hour + interval '1 hour' > sessions.started_at
    where changed.run_id = %(run_id)s and not sessions.quarantined
    order by sessions.started_at
    returning user_id
)

insert into visitors_touched
select distinct user_id from come
on conflict do nothing;

analyze visitors_touched;

update clickstream.visits as stored set is_new = not stored.is_new
from (
    select
        touched.user_id,
        (
            select min(sessions.started_at)
            from clickstream.sessions
            where sessions.user_id = touched.user_id
        ) as started_at
    from visitors_touched as touched
) as firsts
where stored.user_id = firsts.user_id and stored.is_new <> (stored.started_at = firsts.started_at);

select
    count(*) as sessions,
    count(*) filter (where is_new) as new
from clickstream.visits
inner join clickstream.model_hours as changed
    on visits.started_at >= changed.hour and visits.started_at < changed.hour + interval '1 hour'
where changed.run_id = %(run_id)s;
