-- How long and how deep sessions were: how many fall into each class of seconds and of page views.
-- Parameters: run_id (text).
-- Grain: one row for each UTC day of the sessions' start, measure and class that has sessions. People only.
-- Semantics: seconds from the first to the last event, rounded down.
-- Usage: clickstream_models, after scope/claim.sql; one transaction. Builds the days of model_hours. Idempotent.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

delete from clickstream.session_sizes_daily as stored
using clickstream.model_days as changed
where changed.run_id = %(run_id)s and stored.day = changed.day;

insert into clickstream.session_sizes_daily (day, measure, bucket, label, sessions, engaged, converted)
with measures (measure, bounds, labels) as (
    values
    (
        'seconds',
        array[1, 11, 31, 61, 181, 601, 1801],
        array['0', '1–10', '11–30', '31–60', '61–180', '181–600', '601–1,800', 'over 1,800']
    ),
    ('page_views', array[1, 2, 3, 4, 5, 10, 20], array['0', '1', '2', '3', '4', '5–9', '10–19', '20 or more'])
),

begun as (
    select
        changed.day,
        floor(extract(epoch from sessions.ended_at - sessions.started_at))::integer as seconds,
        sessions.page_views,
        sessions.engaged,
        sessions.converted
    from clickstream.model_days as changed
    inner join clickstream.sessions
        on changed.day::timestamptz <= sessions.started_at and (changed.day + 1)::timestamptz > sessions.started_at
    where changed.run_id = %(run_id)s and sessions.bot is null and not sessions.quarantined
),

classed as (
    select
        begun.day,
        begun.engaged,
        begun.converted,
        measures.measure,
        measures.labels,
        width_bucket(
            case measures.measure when 'seconds' then begun.seconds else begun.page_views end, measures.bounds
        ) as bucket
    from begun
    cross join measures
)

select
    day,
    measure,
    bucket,
    labels[bucket + 1],
    count(*),
    count(*) filter (where engaged),
    count(*) filter (where converted)
from classed
group by day, measure, bucket, labels;

select
    count(*) as rows,
    sum(sessions) filter (where measure = 'seconds') as sessions
from clickstream.session_sizes_daily
inner join clickstream.model_days using (day)
where run_id = %(run_id)s;
