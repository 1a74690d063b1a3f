-- Add a slice's counts. Parameters: parallel arrays in key order (two slices lock rows in one order).
insert into clickstream.traffic_minute as stored (minute, event_type, device, is_bot, events, revenue_e4)
select *
from
    unnest(
        %(minutes)s::timestamptz[], %(event_types)s::text[], %(devices)s::text[], %(is_bot)s::boolean[],
        %(events)s::bigint[], %(revenue_e4)s::bigint[]
    )
on conflict (minute, event_type, device, is_bot) do update set
    events = stored.events + excluded.events,
    revenue_e4 = least(stored.revenue_e4::numeric + excluded.revenue_e4, 9e18)::bigint
