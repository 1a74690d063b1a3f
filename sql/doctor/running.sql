-- The reader's queries (all that a dashboard asks) that run for long. Parameters: seconds. Grain: one row a query.
select
    extract(epoch from now() - query_start)::float8 as seconds,
    coalesce(wait_event_type, 'CPU') as waits_for,
    left(regexp_replace(query, '\s+', ' ', 'g'), 120) as query
from pg_stat_activity
where
    usename = current_user and state = 'active' and pid <> pg_backend_pid()
    and query_start < now() - make_interval(secs => %(seconds)s)
order by query_start
