-- What a prune would delete. Parameters: horizon (date; what happened before it goes). Grain: one row.
select
    (
        select count(*) from clickstream.event_ids
        where event_date < %(horizon)s
    ) as event_ids,
    (select count(*) from clickstream.expired_partitions(%(horizon)s)) as partitions,
    (
        select count(*) from clickstream.events_old
        where event_time < %(horizon)s::timestamp at time zone 'UTC'
    ) as old_events
