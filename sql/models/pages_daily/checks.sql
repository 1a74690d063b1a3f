-- Checks of pages_daily against the stream where nothing came since the run began. Parameters: run_id, interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with quiet as (
    select day
    from clickstream.model_days
    where run_id = %(run_id)s and quiet
),

modelled as (
    select
        coalesce(sum(pages.views), 0) as views,
        coalesce(sum(pages.entrances), 0) as entrances,
        coalesce(sum(pages.exits), 0) as exits
    from quiet
    inner join clickstream.pages_daily as pages using (day)
),

viewed as (
    select coalesce(sum(days.page_views), 0) as views
    from quiet
    inner join clickstream.traffic_daily as days using (day)
    where not days.is_bot
),

checks (check_name, severity, passed, observed, expected) as (
    select
        'views = those of the day',
        'fail',
        modelled.views = viewed.views,
        modelled.views || ' views',
        viewed.views || ' views'
    from modelled
    cross join viewed
    union all
    select
        'entrances = exits',
        'fail',
        entrances = exits,
        entrances || ' entrances',
        exits || ' exits'
    from modelled
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'pages_daily: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
