-- The journey links that a run recomputed, added up. Parameters: run. Grain: the key of journey_links.
select
    day,
    step,
    source,
    target,
    sum(sessions)::bigint as sessions
from clickstream.backfill_journey_links
where run = %(run)s
group by day, step, source, target
having sum(sessions) <> 0
