-- Accepted events that a run did not find in the archive. Parameters: run. Grain: one row a partition.
select
    known.partition,
    min(known.kafka_offset) as first_offset,
    max(known.kafka_offset) as last_offset,
    count(*) as events
from clickstream.backfill_runs as runs
inner join clickstream.event_ids as known
    on
        runs.day = known.event_date
        and known.kafka_offset < (runs.vector ->> known.partition::text)::bigint
left join clickstream.backfill_events as staged on runs.run = staged.run and known.event_id = staged.event_id
where runs.run = %(run)s and staged.event_id is null
group by known.partition
order by known.partition
