-- The same figures as answers.sql, as far as the consumer has them that stores ids only. Grain: one row.
with spans as (
    select
        user_id,
        (extract(epoch from started_at) * 1000)::bigint as started_ms,
        (extract(epoch from ended_at) * 1000)::bigint as ended_ms,
        events
    from ids_only.sessions
)

select
    (select count(*) from ids_only.ids) as ids,
    (select count(*) from spans) as sessions,
    (
        select sum(('x' || left(md5(concat_ws('|', user_id, started_ms, ended_ms, events)), 15))::bit(60)::bigint)
        from spans
    ) as session_spans,
    (select sum(events) from ids_only.minutes) as minute_events,
    (
        select
            sum(
                ('x' || left(md5(concat_ws('|', (extract(epoch from minute) * 1000)::bigint, events)), 15))
                ::bit(60)::bigint
            )
        from ids_only.minutes
    ) as minutes
