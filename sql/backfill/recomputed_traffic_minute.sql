-- The counts that a run recomputed, added up as the fold does. Parameters: run. Grain: the key of traffic_minute.
select
    minute,
    event_type,
    device,
    is_bot,
    sum(events)::bigint as events,
    least(sum(revenue_e4), 9e18)::bigint as revenue_e4
from clickstream.backfill_traffic_minute
where run = %(run)s
group by minute, event_type, device, is_bot
