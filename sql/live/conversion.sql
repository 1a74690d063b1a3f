-- The live funnel: sessions of the last 60 minutes that reached each step and all before it, and the hour's revenue.
-- Parameters: now (timestamptz). Grain: one row.
with recent as (
    select
        converted,
        item_views > 0 as viewed,
        item_views > 0 and cart_adds > 0 as carted,
        item_views > 0 and cart_adds > 0 and checkouts > 0 as checked_out,
        item_views > 0 and cart_adds > 0 and checkouts > 0 and purchases > 0 as purchased
    from clickstream.sessions
    where ended_at >= %(now)s - interval '60 minutes' and started_at <= %(now)s and bot is null
)

select
    count(*) as sessions,
    count(*) filter (where viewed) as views,
    count(*) filter (where carted) as carts,
    count(*) filter (where checked_out) as checkouts,
    count(*) filter (where purchased) as purchases,
    coalesce(avg(converted::int), 0)::double precision as conversion_rate,
    (
        select coalesce(sum(traffic.revenue), 0)::double precision
        from clickstream.traffic_minute as traffic
        where
            traffic.minute > %(now)s - interval '60 minutes'
            and traffic.minute <= %(now)s
            and traffic.event_type = 'purchase'
            and not traffic.is_bot
    ) as revenue
from recent
