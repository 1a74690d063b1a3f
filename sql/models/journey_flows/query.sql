-- Which page led to which, forwards from each page that sessions began at and backwards from each that they ended at.
-- Parameters: run_id (text).
-- Grain: one row for each UTC hour of the sessions' start, direction, anchor, step, source and target. People only.
-- Semantics: a page that is seen again at once is one step; labels are those of pages. forward: step n leads from the
-- n-th page (source) to the next (target), '(exit)' where the session ends; the anchor is the first page. backward:
-- step n leads to the n-th page from the end (target) from the one before (source), '(entrance)' where the session
-- began; the anchor is the last page. Steps 1 to 5. A session with more than 100 page views has no stored end of its
-- path and counts forwards only.
-- Usage: clickstream_models, after pages/query.sql; one transaction. Builds the hours of model_hours. Idempotent.
-- Read through the function journey_flow, which sums a range of days and folds rare labels.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

delete from clickstream.journey_flows as stored
using clickstream.model_hours as changed
where changed.run_id = %(run_id)s and stored.hour = changed.hour;

insert into clickstream.journey_flows (hour, direction, anchor, step, source, target, sessions)
with views as (
    select
        changed.hour,
        sessions.session_id,
        sessions.page_views <= 100 as whole,
        seen.page_path,
        seen.position,
        lag(seen.page_path) over (partition by sessions.session_id order by seen.position) as page_before
    from clickstream.model_hours as changed
    inner join clickstream.sessions
        on changed.hour <= sessions.started_at and changed.hour + interval '1 hour' > sessions.started_at
    cross join unnest(sessions.path) with ordinality as seen (page_path, position)
    where changed.run_id = %(run_id)s and sessions.bot is null and not sessions.quarantined
),

steps as (
    select
        views.hour,
        views.whole,
        coalesce(pages.label, views.page_path) as label,
        row_number() over forwards as step,
        count(*) over (partition by views.session_id) as steps,
        first_value(coalesce(pages.label, views.page_path)) over forwards as first_label,
        first_value(coalesce(pages.label, views.page_path)) over backwards as last_label,
        lead(coalesce(pages.label, views.page_path)) over forwards as next_label
    from views
    left join clickstream.pages using (page_path)
    where views.page_before is distinct from views.page_path
    window
        forwards as (partition by views.session_id order by views.position),
        backwards as (partition by views.session_id order by views.position desc)
),

links as (
    select
        hour,
        'forward' as direction,
        first_label as anchor,
        step,
        label as source,
        coalesce(next_label, '(exit)') as target
    from steps
    where step <= 5
    union all
    select
        hour,
        'backward',
        last_label,
        steps - step,
        label,
        next_label
    from steps
    where whole and steps - step between 1 and 5
    union all
    select
        hour,
        'backward',
        last_label,
        steps,
        '(entrance)',
        label
    from steps
    where whole and step = 1 and steps <= 5
)

select
    hour,
    direction,
    anchor,
    step,
    source,
    target,
    count(*)
from links
group by hour, direction, anchor, step, source, target;

select
    count(*) as rows,
    sum(sessions) filter (where direction = 'forward' and step = 1) as sessions
from clickstream.journey_flows
inner join clickstream.model_hours using (hour)
where run_id = %(run_id)s;
