-- Events, sessions, conversion and revenue of an hour, people and bots apart.
-- Parameters: run_id (text).
-- Grain: one row for each UTC hour with events or sessions, and is_bot.
-- Usage: clickstream_models, after scope/claim.sql; one transaction. Builds the hours of model_hours. Idempotent.
-- Events and revenue are those of the hour itself, as traffic_minute counts them, where only declared bots are bots;
-- sessions are those that began in it, and bots those of any kind, quarantined ones among them.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

delete from clickstream.traffic_hourly as stored
using clickstream.model_hours as changed
where changed.run_id = %(run_id)s and stored.hour = changed.hour;

insert into clickstream.traffic_hourly (
    hour, is_bot, events, page_views, sessions, users, engaged, converted, revenue_e4
)
with counted as (
    select
        changed.hour,
        traffic.is_bot,
        sum(traffic.events) as events,
        sum(traffic.events) filter (where traffic.event_type = 'page_view') as page_views,
        least(sum(traffic.revenue_e4), 9e18) as revenue_e4
    from clickstream.model_hours as changed
    inner join clickstream.traffic_minute as traffic
        on changed.hour <= traffic.minute and changed.hour + interval '1 hour' > traffic.minute
    where changed.run_id = %(run_id)s
    group by changed.hour, traffic.is_bot
),

begun as (
    select
        changed.hour,
        sessions.bot is not null or sessions.quarantined as is_bot,
        count(*) as sessions,
        count(distinct sessions.user_id) as users,
        count(*) filter (where sessions.engaged) as engaged,
        count(*) filter (where sessions.converted) as converted
    from clickstream.model_hours as changed
    inner join clickstream.sessions
        on changed.hour <= sessions.started_at and changed.hour + interval '1 hour' > sessions.started_at
    where changed.run_id = %(run_id)s
    group by changed.hour, is_bot
)

select
    hour,
    is_bot,
    coalesce(counted.events, 0),
    coalesce(counted.page_views, 0),
    coalesce(begun.sessions, 0),
    coalesce(begun.users, 0),
    coalesce(begun.engaged, 0),
    coalesce(begun.converted, 0),
    coalesce(counted.revenue_e4, 0)
from counted
full join begun using (hour, is_bot);

select
    count(*) as hours,
    sum(events) as events,
    sum(sessions) as sessions
from clickstream.traffic_hourly
inner join clickstream.model_hours using (hour)
where run_id = %(run_id)s;
