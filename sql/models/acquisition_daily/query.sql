-- What brought people: sessions by channel, source, medium and campaign, under two rules of attribution.
-- Parameters: run_id (text).
-- Grain: one row for each UTC day of the sessions' start, rule (touch), channel, source, medium and campaign.
-- Semantics: 'first' is the session's own first event; 'last_non_direct' gives a direct session to the last session of
-- the same user, at most 90 days before, that was not direct, and leaves it direct where there is none.
-- Usage: clickstream_models, after scope/claim.sql; one transaction. Builds the days of model_hours, and those up to 90
-- days on in which users of model_users have direct sessions: what changed may be what brought them. Idempotent.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

create temporary table acquisition_days (
    day date primary key
) on commit drop;

insert into acquisition_days
select day
from clickstream.model_days
where run_id = %(run_id)s
union
select sessions.started_at::date
from clickstream.model_users as changed
inner join clickstream.sessions
    on
        changed.user_id = sessions.user_id
        and changed.first_day::timestamptz <= sessions.started_at
        and changed.last_day::timestamptz + interval '92 days' > sessions.started_at
where changed.run_id = %(run_id)s and sessions.source = '(direct)';

delete from clickstream.acquisition_daily as stored
using acquisition_days as changed
where stored.day = changed.day;

insert into clickstream.acquisition_daily (
    day, touch, channel, source, medium, campaign, sessions, users, engaged, converted, revenue_e4
)
with begun as (
    select
        changed.day,
        sessions.user_id,
        sessions.started_at,
        sessions.channel,
        sessions.source,
        sessions.medium,
        coalesce(sessions.campaign, '(not set)') as campaign,
        sessions.engaged,
        sessions.converted,
        sessions.revenue_e4
    from acquisition_days as changed
    inner join clickstream.sessions
        on changed.day::timestamptz <= sessions.started_at and (changed.day + 1)::timestamptz > sessions.started_at
    where sessions.bot is null and not sessions.quarantined
),

attributed as (
    select
        *,
        'first' as touch
    from begun
    union all
    select
        begun.day,
        begun.user_id,
        begun.started_at,
        coalesce(earlier.channel, begun.channel),
        coalesce(earlier.source, begun.source),
        coalesce(earlier.medium, begun.medium),
        coalesce(earlier.campaign, begun.campaign),
        begun.engaged,
        begun.converted,
        begun.revenue_e4,
        'last_non_direct'
    from begun
    left join
        lateral (
            select
                sessions.channel,
                sessions.source,
                sessions.medium,
                coalesce(sessions.campaign, '(not set)') as campaign
            from clickstream.sessions
            where
                begun.source = '(direct)'
                and sessions.user_id = begun.user_id
                and sessions.started_at < begun.started_at
                and sessions.started_at >= begun.started_at - interval '90 days'
                and sessions.source <> '(direct)'
                and sessions.bot is null and not sessions.quarantined
            order by sessions.started_at desc
            limit 1
        ) as earlier
        on true
)

select
    day,
    touch,
    channel,
    source,
    medium,
    campaign,
    count(*),
    count(distinct user_id),
    count(*) filter (where engaged),
    count(*) filter (where converted),
    least(sum(revenue_e4), 9e18)
from attributed
group by day, touch, channel, source, medium, campaign;

select
    count(distinct day) as days,
    count(*) as rows
from clickstream.acquisition_daily
inner join acquisition_days using (day);
