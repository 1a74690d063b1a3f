-- How a page did on a day: views, entrances, exits, bounces, and how long it took to load.
-- Parameters: run_id (text).
-- Grain: one row for each UTC day and page path. People only: views and loads without declared bots; entrances, exits
-- and bounces of sessions without bots of any kind and without quarantined ones.
-- Semantics: views are of the day itself; entrances, exits and bounces of the sessions that began on it. A bounce is a
-- session that was not engaged, counted at its entry page. load_p75_ms is read from the histogram (within 2.5 percent).
-- Usage: clickstream_models, after pages and page_loads_hourly; one transaction. Builds the days of model_hours.
-- Idempotent.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

delete from clickstream.pages_daily as stored
using clickstream.model_days as changed
where changed.run_id = %(run_id)s and stored.day = changed.day;

insert into clickstream.pages_daily (
    day, page_path, page_group, views, entrances, exits, bounces, loads, load_p75_ms
)
with viewed as (
    select
        changed.day,
        minutes.page_path,
        sum(minutes.views) as views
    from clickstream.model_days as changed
    inner join clickstream.page_minute as minutes
        on changed.day::timestamptz <= minutes.minute and (changed.day + 1)::timestamptz > minutes.minute
    where changed.run_id = %(run_id)s and not minutes.is_bot
    group by changed.day, minutes.page_path
),

begun as (
    select
        changed.day,
        sessions.entry_page,
        sessions.exit_page,
        sessions.engaged
    from clickstream.model_days as changed
    inner join clickstream.sessions
        on changed.day::timestamptz <= sessions.started_at and (changed.day + 1)::timestamptz > sessions.started_at
    where changed.run_id = %(run_id)s and sessions.page_views > 0 and sessions.bot is null and not sessions.quarantined
),

visited as (
    select
        ends.day,
        ends.page_path,
        sum(ends.entrances) as entrances,
        sum(ends.exits) as exits,
        sum(ends.bounces) as bounces
    from (
        select
            day,
            entry_page as page_path,
            1 as entrances,
            0 as exits,
            (not engaged)::integer as bounces
        from begun
        union all
        select
            day,
            exit_page,
            0,
            1,
            0
        from begun
    ) as ends
    group by ends.day, ends.page_path
),

histogram as (
    select
        changed.day,
        hours.page_path,
        hours.bucket,
        sum(hours.loads) as loads
    from clickstream.model_days as changed
    inner join clickstream.page_loads_hourly as hours
        on changed.day::timestamptz <= hours.hour and (changed.day + 1)::timestamptz > hours.hour
    where changed.run_id = %(run_id)s
    group by changed.day, hours.page_path, hours.bucket
),

ranked as (
    select
        *,
        sum(loads) over (partition by day, page_path order by bucket) as loads_up_to,
        sum(loads) over (partition by day, page_path) as all_loads
    from histogram
),

loaded as (
    select
        day,
        page_path,
        sum(loads) as loads,
        1.05::double precision ^ (min(bucket) filter (where loads_up_to >= 0.75 * all_loads) + 0.5) as p75_ms
    from ranked
    group by day, page_path
)

select
    day,
    page_path,
    coalesce(pages.page_group, 'Other'),
    coalesce(viewed.views, 0),
    coalesce(visited.entrances, 0),
    coalesce(visited.exits, 0),
    coalesce(visited.bounces, 0),
    coalesce(loaded.loads, 0),
    loaded.p75_ms
from viewed
full join visited using (day, page_path)
full join loaded using (day, page_path)
left join clickstream.pages using (page_path);

select
    count(distinct day) as days,
    count(*) as rows,
    sum(views) as views
from clickstream.pages_daily
inner join clickstream.model_days using (day)
where run_id = %(run_id)s;
