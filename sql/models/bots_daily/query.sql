-- How much of a day's traffic was bots, by the reason why they are taken for such.
-- Parameters: run_id (text).
-- Grain: one row for each UTC day of the sessions' start and kind: people, declared, rate, regular, no_interaction, or
-- quarantined (over 3 days or 10,000 events, and no bot for another reason).
-- Usage: clickstream_models, after scope/claim.sql; one transaction. Builds the days of model_hours. Idempotent.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

delete from clickstream.bots_daily as stored
using clickstream.model_days as changed
where changed.run_id = %(run_id)s and stored.day = changed.day;

insert into clickstream.bots_daily (day, kind, sessions, users, events, share_of_sessions, share_of_events)
with kinds as (
    select
        changed.day,
        coalesce(sessions.bot, case when sessions.quarantined then 'quarantined' else 'people' end) as kind,
        count(*) as sessions,
        count(distinct sessions.user_id) as users,
        sum(sessions.events) as events
    from clickstream.model_days as changed
    inner join clickstream.sessions
        on changed.day::timestamptz <= sessions.started_at and (changed.day + 1)::timestamptz > sessions.started_at
    where changed.run_id = %(run_id)s
    group by changed.day, kind
)

select
    day,
    kind,
    sessions,
    users,
    events,
    (sessions / sum(sessions) over (partition by day))::double precision,
    (events / sum(events) over (partition by day))::double precision
from kinds;

select
    kind,
    sum(sessions) as sessions
from clickstream.bots_daily
inner join clickstream.model_days using (day)
where run_id = %(run_id)s
group by kind
order by kind;
