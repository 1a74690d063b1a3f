-- Checks of what the stream wrote: the ledger as a whole, the counts of the data interval, the sessions of the last
-- hour before its end, and how fresh it is.
-- Parameters: interval_start, interval_end (timestamptz). Grain: one row of check_results for each check and interval.
-- Usage: clickstream_models, after the models; scope/gate.sql stops the run when one of severity `fail` did not pass.
-- All is read in one statement, so from one snapshot, while the stream goes on. Idempotent.
-- Where retention took events away, they are not compared.
with hour_events as (
    select
        events.user_id,
        events.event_time
    from clickstream.events
    where
        events.event_time >= %(interval_end)s::timestamptz - interval '1 hour'
        and events.event_time < %(interval_end)s::timestamptz
),

hour_sessions as (
    select
        sessions.user_id,
        sessions.started_at,
        sessions.ended_at,
        sessions.events,
        (
            sessions.started_at >= %(interval_end)s::timestamptz - interval '1 hour'
            and sessions.ended_at < %(interval_end)s::timestamptz
            and sessions.started_at >= (select clickstream.first_whole_day()::timestamp at time zone 'UTC')
        ) as whole
    from clickstream.sessions
    where
        sessions.started_at < %(interval_end)s::timestamptz
        and sessions.ended_at >= %(interval_end)s::timestamptz - interval '1 hour'
),

held as (
    select
        count(*) as events,
        count(hour_sessions.user_id) as in_sessions,
        count(*) filter (where hour_sessions.whole) as in_whole_sessions
    from hour_events
    left join hour_sessions
        on
            hour_events.user_id = hour_sessions.user_id
            and hour_events.event_time between hour_sessions.started_at and hour_sessions.ended_at
),

checks (check_name, severity, passed, observed, expected) as (
    select
        'offsets read = accepted + duplicate + rejected',
        'fail',
        coalesce(bool_and(agrees), true),
        coalesce(
            string_agg(
                format(
                    '%%s/%%s: offsets %%s to %%s, read %%s = %%s + %%s + %%s',
                    topic, partition, first_offset, next_offset - 1, read, accepted, duplicate, rejected
                ),
                '; ' order by topic, partition
            ) filter (where not agrees),
            count(*) || ' partitions agree'
        ),
        'every partition agrees'
    from clickstream.reconciliation
    union all
    select
        'the ledger is where the last slice ends',
        'fail',
        count(*) = 0,
        count(*) || ' partitions differ',
        '0 partitions differ'
    from clickstream.stream_offsets as ledger
    cross join
        lateral (
            select slices.next_offset
            from clickstream.stream_slices as slices
            where slices.topic = ledger.topic and slices.partition = ledger.partition
            order by slices.first_offset desc
            limit 1
        ) as last_slice
    where last_slice.next_offset <> ledger.next_offset
    union all
    select
        'minute counts = stored events',
        'fail',
        counted.events = stored.events,
        counted.events || ' counted',
        stored.events || ' stored'
    from (
        select coalesce(sum(events), 0) as events
        from clickstream.traffic_minute
        where
            minute >= %(interval_start)s::timestamptz
            and minute < %(interval_end)s::timestamptz
            and minute >= (select clickstream.first_whole_day()::timestamp at time zone 'UTC')
    ) as counted
    cross join (
        select count(*) as events
        from clickstream.events
        where
            event_time >= %(interval_start)s::timestamptz
            and event_time < %(interval_end)s::timestamptz
            and event_time >= (select clickstream.first_whole_day()::timestamp at time zone 'UTC')
    ) as stored
    union all
    select
        'the stream has written lately',
        'warn',
        coalesce(max(applied_at) > clock_timestamp() - interval '5 minutes', false),
        coalesce('last slice ' || date_trunc('second', clock_timestamp() - max(applied_at)) || ' ago', 'no slice yet'),
        'less than 5 minutes ago'
    from clickstream.stream_slices
    union all
    select
        'rejected share of the interval',
        'warn',
        coalesce(sum(rejected) <= 0.05 * sum(read), true),
        coalesce(sum(rejected), 0) || ' of ' || coalesce(sum(read), 0) || ' records',
        'at most 5 percent'
    from clickstream.stream_slices
    where applied_at >= %(interval_start)s::timestamptz and applied_at < %(interval_end)s::timestamptz
    union all
    select
        'every event of the last hour lies in one session',
        'fail',
        in_sessions = events,
        in_sessions || ' in sessions',
        events || ' events'
    from held
    union all
    select
        'sessions of the last hour count their events',
        'fail',
        held.in_whole_sessions = counted.events,
        counted.events || ' counted',
        held.in_whole_sessions || ' events'
    from held
    cross join (
        select coalesce(sum(events), 0) as events
        from hour_sessions
        where whole
    ) as counted
)

select
    check_name,
    severity,
    observed,
    expected,
    clickstream.keep_check(
        %(interval_end)s::timestamptz, 'stream: ' || check_name, severity, passed, observed, expected
    ) as passed
from checks;
