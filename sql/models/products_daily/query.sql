-- What happened to products on a day: views, carts, purchases, revenue.
-- Parameters: run_id (text).
-- Grain: one row for each UTC day and product that was viewed, put into a cart or bought; no declared bots.
-- Usage: clickstream_models, after products_hourly/query.sql; one transaction. Builds the days of model_hours from the
-- sums of their hours. Idempotent.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

delete from clickstream.products_daily as stored
using clickstream.model_days as changed
where changed.run_id = %(run_id)s and stored.day = changed.day;

insert into clickstream.products_daily (
    day, product_id, category, views, cart_adds, purchases, quantity, revenue_e4
)
select
    changed.day,
    hours.product_id,
    max(hours.category),
    sum(hours.views),
    sum(hours.cart_adds),
    sum(hours.purchases),
    sum(hours.quantity),
    least(sum(hours.revenue_e4), 9e18)
from clickstream.model_days as changed
inner join clickstream.products_hourly as hours
    on changed.day::timestamptz <= hours.hour and (changed.day + 1)::timestamptz > hours.hour
where changed.run_id = %(run_id)s
group by changed.day, hours.product_id;

select
    count(*) as rows,
    sum(purchases) as purchases
from clickstream.products_daily
inner join clickstream.model_days using (day)
where run_id = %(run_id)s;
