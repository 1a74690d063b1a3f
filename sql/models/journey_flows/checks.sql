-- Checks of journey_flows, against sessions and the stream's links where nothing came since the run began. Parameters:
-- run_id, interval_end.
-- Grain: one row of check_results for each check and data interval. Idempotent.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
with flows as (
    select
        stored.hour,
        stored.direction,
        stored.anchor,
        stored.step,
        case stored.direction when 'forward' then stored.source else stored.target end as near,
        case stored.direction when 'forward' then stored.target else stored.source end as far,
        stored.sessions
    from clickstream.model_hours as changed
    inner join clickstream.journey_flows as stored using (hour)
    where changed.run_id = %(run_id)s
),

unbalanced as (
    select
        hour,
        direction,
        anchor,
        step,
        label
    from (
        select
            hour,
            direction,
            anchor,
            step,
            near as label,
            sessions
        from flows
        where step > 1
        union all
        select
            hour,
            direction,
            anchor,
            step + 1,
            far,
            -sessions
        from flows
        where step < 5 and far not in ('(exit)', '(entrance)')
    ) as ends
    group by hour, direction, anchor, step, label
    having sum(sessions) <> 0
),

started as (
    select
        coalesce(sum(flows.sessions), 0) as flows,
        coalesce(sum(begun.sessions), 0) as sessions
    from clickstream.quiet_hours as quiet
    cross join
        lateral (
            select sum(flows.sessions) as sessions
            from flows
            where flows.hour = quiet.hour and flows.direction = 'forward' and flows.step = 1
        ) as flows
    cross join
        lateral (
            select count(*) as sessions
            from clickstream.sessions
            where
                quiet.hour <= sessions.started_at
                and quiet.hour + interval '1 hour' > sessions.started_at
                and sessions.page_views > 0
                and sessions.bot is null
                and not sessions.quarantined
        ) as begun
    where quiet.run_id = %(run_id)s
),

quiet as (
    select day
    from clickstream.model_days
    where run_id = %(run_id)s and quiet
),

differing as (
    select
        day,
        step,
        source,
        target
    from (
        select
            links.day,
            links.step,
            links.source,
            links.target,
            links.sessions
        from quiet
        inner join clickstream.journey_links as links using (day)
        union all
        select
            quiet.day,
            stored.step,
            stored.source,
            stored.target,
            -stored.sessions
        from quiet
        inner join clickstream.journey_flows as stored
            on
                quiet.day::timestamp at time zone 'UTC' <= stored.hour
                and (quiet.day + 1)::timestamp at time zone 'UTC' > stored.hour
                and stored.direction = 'forward'
    ) as both_links
    group by day, step, source, target
    having sum(sessions) <> 0
),

checks (check_name, severity, passed, observed, expected) as (
    select
        'links in = links out',
        'fail',
        count(*) = 0,
        count(*) || ' labels differ',
        '0 labels differ'
    from unbalanced
    union all
    select
        'every session with a page begins once',
        'fail',
        flows = sessions,
        flows || ' beginnings',
        sessions || ' sessions'
    from started
    union all
    -- Links that the stream kept under other page groups differ for good: reported, not stopped.
    select
        'forward flows = journey_links',
        'warn',
        count(*) = 0,
        count(*) || ' links differ',
        '0 links differ'
    from differing
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'journey_flows: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
