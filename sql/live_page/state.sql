-- Who streams and whether the checks of the last model run passed. Parameters: none. Grain: one row.
select
    lease.epoch,
    lease.holder,
    extract(epoch from now() - lease.heartbeat_at)::float8 as heartbeat_seconds,
    checks.failed,
    checks.warned,
    checks.interval_end as checked_until
from clickstream.stream_lease as lease
left join lateral (
    select
        interval_end,
        coalesce(array_agg(check_name order by check_name) filter (where severity = 'fail' and not passed), '{}')
            as failed,
        coalesce(array_agg(check_name order by check_name) filter (where severity = 'warn' and not passed), '{}')
            as warned
    from clickstream.check_results
    where interval_end = (select max(latest.interval_end) from clickstream.check_results as latest)
    group by interval_end
) as checks on true
order by lease.heartbeat_at desc
limit 1
