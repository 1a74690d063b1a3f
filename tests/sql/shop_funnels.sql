-- DuckDB: the shipped funnels over the shop's export itself, by subqueries. Parameter: the file.
-- Grain: funnel, UTC day, users by step (list).
create temporary table e as
select
    user_id,
    event,
    "timestamp" as ts,
    sum(begins) over (
        partition by user_id order by "timestamp" rows between unbounded preceding and current row
    ) as visit
from (
    select
        *,
        coalesce("timestamp" - lag("timestamp") over (partition by user_id order by "timestamp") > interval 1800 seconds, true)::int as begins
    from read_csv($1, types = {'timestamp': 'timestamp'})
);

create temporary table considered as
select * from e
where event in ('add_to_cart', 'shipping_details', 'payment_details', 'purchase');

with purchase_2 as (
    select
        user_id,
        ts as t1,
        (
            select min(ts) from e
            where e.user_id = s.user_id and e.event = 'add_to_cart' and e.ts between s.ts and s.ts + interval 14 days
        ) as t2
    from e as s
    where event = 'product_view'
),

purchase_3 as (
    select
        *,
        (
            select min(ts) from e
            where e.user_id = s.user_id and e.event = 'shipping_details' and e.ts between s.t2 and s.t1 + interval 14 days
        ) as t3
    from purchase_2 as s
),

purchase_4 as (
    select
        *,
        (
            select min(ts) from e
            where e.user_id = s.user_id and e.event = 'purchase' and e.ts between s.t3 and s.t1 + interval 14 days
        ) as t4
    from purchase_3 as s
),

search_2 as (
    select
        user_id,
        visit,
        ts as t1,
        (
            select min(ts) from e
            where e.user_id = s.user_id and e.visit = s.visit and e.event = 'product_view' and e.ts >= s.ts
        ) as t2
    from e as s
    where event = 'search'
),

search_3 as (
    select
        *,
        (
            select min(ts) from e
            where e.user_id = s.user_id and e.visit = s.visit and e.event = 'add_to_cart' and e.ts >= s.t2
        ) as t3
    from search_2 as s
),

search_4 as (
    select
        *,
        (
            select min(ts) from e
            where e.user_id = s.user_id and e.visit = s.visit and e.event = 'purchase' and e.ts >= s.t3
        ) as t4
    from search_3 as s
),

checkout_2 as (
    select
        user_id,
        ts as t1,
        (
            select min(n.ts) from considered as n
            where
                n.user_id = s.user_id and n.event = 'payment_details' and n.ts >= s.ts and n.ts::date = s.ts::date
                and not exists (
                    select 1 from considered as b
                    where b.user_id = s.user_id and b.ts > s.ts and b.ts < n.ts
                )
        ) as t2
    from considered as s
    where event = 'shipping_details'
),

checkout_3 as (
    select
        *,
        (
            select min(n.ts) from considered as n
            where
                n.user_id = s.user_id and n.event = 'purchase' and n.ts >= s.t2 and n.ts::date = s.t1::date
                and not exists (
                    select 1 from considered as b
                    where b.user_id = s.user_id and b.ts > s.t2 and b.ts < n.ts
                )
        ) as t3
    from checkout_2 as s
),

starts as (
    select 'purchase' as funnel, user_id as scope, t1, 1 + (t2 is not null)::int + (t3 is not null)::int + (t4 is not null)::int as reached, 4 as steps
    from purchase_4
    union all
    select 'search_to_purchase', user_id || visit, t1, 1 + (t2 is not null)::int + (t3 is not null)::int + (t4 is not null)::int, 4
    from search_4
    union all
    select 'checkout', user_id, t1, 1 + (t2 is not null)::int + (t3 is not null)::int, 3
    from checkout_3
),

entries as (
    select funnel, t1::date as day, scope, steps, max(reached) as reached
    from starts
    group by all
)

select
    funnel,
    day,
    [count(*), count(*) filter (reached >= 2), count(*) filter (reached >= 3), count(*) filter (reached >= 4)][:steps]
        as users
from entries
group by funnel, day, steps
order by funnel, day
