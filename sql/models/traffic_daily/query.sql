-- Events, sessions, users, conversion and revenue of a day, people and bots apart.
-- Parameters: run_id (text).
-- Grain: one row for each UTC day with events or sessions, and is_bot.
-- Usage: clickstream_models, after traffic_hourly/query.sql; one transaction. Builds the days of model_hours: events
-- and revenue are sums of the hours; users do not add up, so sessions are counted once more. Idempotent.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

delete from clickstream.traffic_daily as stored
using clickstream.model_days as changed
where changed.run_id = %(run_id)s and stored.day = changed.day;

insert into clickstream.traffic_daily (
    day, is_bot, events, page_views, sessions, users, engaged, converted, revenue_e4
)
with counted as (
    select
        changed.day,
        hours.is_bot,
        sum(hours.events) as events,
        sum(hours.page_views) as page_views,
        least(sum(hours.revenue_e4), 9e18) as revenue_e4
    from clickstream.model_days as changed
    inner join clickstream.traffic_hourly as hours
        on changed.day::timestamptz <= hours.hour and (changed.day + 1)::timestamptz > hours.hour
    where changed.run_id = %(run_id)s
    group by changed.day, hours.is_bot
),

begun as (
    select
        changed.day,
        sessions.bot is not null or sessions.quarantined as is_bot,
        count(*) as sessions,
        count(distinct sessions.user_id) as users,
        count(*) filter (where sessions.engaged) as engaged,
        count(*) filter (where sessions.converted) as converted
    from clickstream.model_days as changed
    inner join clickstream.sessions
        on changed.day::timestamptz <= sessions.started_at and (changed.day + 1)::timestamptz > sessions.started_at
    where changed.run_id = %(run_id)s
    group by changed.day, is_bot
)

select
    day,
    is_bot,
    coalesce(counted.events, 0),
    coalesce(counted.page_views, 0),
    coalesce(begun.sessions, 0),
    coalesce(begun.users, 0),
    coalesce(begun.engaged, 0),
    coalesce(begun.converted, 0),
    coalesce(counted.revenue_e4, 0)
from counted
full join begun using (day, is_bot);

select
    count(*) as rows,
    sum(events) as events,
    sum(sessions) as sessions
from clickstream.traffic_daily
inner join clickstream.model_days using (day)
where run_id = %(run_id)s;
