-- What happened to products in an hour: views, carts, purchases, revenue. The sums behind products_daily.
-- Parameters: run_id (text).
-- Grain: one row for each UTC hour and product that was viewed, put into a cart or bought; no declared bots.
-- Semantics: a purchase without a quantity is of one piece, without a price it brings nothing, as in the stream.
-- Usage: clickstream_models, after scope/claim.sql; one transaction. Builds the hours of model_hours whose
-- events are still kept (table retention). Idempotent.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

delete from clickstream.products_hourly as stored
using clickstream.model_hours as changed
where
    changed.run_id = %(run_id)s
    and stored.hour = changed.hour
    and changed.hour >= all(select horizon::timestamptz from clickstream.retention);

insert into clickstream.products_hourly (
    hour, product_id, category, views, cart_adds, purchases, quantity, revenue_e4
)
with happened as (
    select
        changed.hour,
        events.product_id,
        events.category,
        events.event_type,
        coalesce((events.properties ->> 'price')::double precision, 0) as price,
        coalesce((events.properties ->> 'quantity')::double precision, 1) as quantity
    from clickstream.model_hours as changed
    inner join clickstream.events
        on changed.hour <= events.event_time and changed.hour + interval '1 hour' > events.event_time
    where
        changed.run_id = %(run_id)s
        and changed.hour >= all(select horizon::timestamptz from clickstream.retention)
        and events.bot is null
        and events.product_id is not null
        and events.event_type in ('view_item', 'add_to_cart', 'purchase')
)

select
    hour,
    product_id,
    max(category),
    count(*) filter (where event_type = 'view_item'),
    count(*) filter (where event_type = 'add_to_cart'),
    count(*) filter (where event_type = 'purchase'),
    coalesce(sum(quantity) filter (where event_type = 'purchase'), 0),
    least(coalesce(sum(round(price * quantity * 10000)::numeric) filter (where event_type = 'purchase'), 0), 9e18)
from happened
group by hour, product_id;

select
    count(*) as rows,
    sum(purchases) as purchases
from clickstream.products_hourly
inner join clickstream.model_hours using (hour)
where run_id = %(run_id)s;
