-- The ways that sessions went: the first five pages of each, and what came of it.
-- Parameters: run_id (text).
-- Grain: one row for each UTC day of the sessions' start, path and whether it goes on. People only.
-- Semantics: as in journey_flows, a page that is seen again at once is one step, and labels are those of pages.
-- Usage: clickstream_models, after pages/query.sql; one transaction. Builds the days of model_hours. Idempotent.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

delete from clickstream.paths_daily as stored
using clickstream.model_days as changed
where changed.run_id = %(run_id)s and stored.day = changed.day;

insert into clickstream.paths_daily (day, path, goes_on, sessions, converted, revenue_e4)
with views as (
    select
        changed.day,
        sessions.session_id,
        sessions.converted,
        sessions.revenue_e4,
        seen.page_path,
        seen.position,
        lag(seen.page_path) over (partition by sessions.session_id order by seen.position) as page_before
    from clickstream.model_days as changed
    inner join clickstream.sessions
        on changed.day::timestamptz <= sessions.started_at and (changed.day + 1)::timestamptz > sessions.started_at
    cross join unnest(sessions.path) with ordinality as seen (page_path, position)
    where changed.run_id = %(run_id)s and sessions.bot is null and not sessions.quarantined
),

steps as (
    select
        day,
        session_id,
        converted,
        revenue_e4,
        page_path,
        row_number() over (partition by session_id order by position) as step
    from views
    where page_before is distinct from page_path
),

paths as (
    select
        steps.day,
        steps.converted,
        steps.revenue_e4,
        array_agg(coalesce(pages.label, steps.page_path) order by steps.step) filter (where steps.step <= 5) as path,
        count(*) > 5 as goes_on
    from steps
    left join clickstream.pages using (page_path)
    group by steps.day, steps.session_id, steps.converted, steps.revenue_e4
)

select
    day,
    path,
    goes_on,
    count(*),
    count(*) filter (where converted),
    sum(revenue_e4)
from paths
group by day, path, goes_on;

select
    count(*) as rows,
    sum(sessions) as sessions
from clickstream.paths_daily
inner join clickstream.model_days using (day)
where run_id = %(run_id)s;
