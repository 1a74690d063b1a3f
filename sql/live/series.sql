-- What happened in each of the last 60 minutes. Parameters: now (timestamptz). Grain: one row a minute that has events.
select
    to_char(traffic.minute at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as minute,
    sum(traffic.events)::bigint as events,
    coalesce(sum(traffic.events) filter (where traffic.event_type = 'page_view'), 0)::bigint as page_views,
    coalesce(sum(traffic.events) filter (where traffic.event_type = 'purchase'), 0)::bigint as purchases,
    sum(traffic.revenue) as revenue
from clickstream.traffic_minute as traffic
where traffic.minute > %(now)s - interval '60 minutes' and traffic.minute <= %(now)s and not traffic.is_bot
group by traffic.minute
