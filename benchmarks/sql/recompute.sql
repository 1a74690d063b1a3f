-- DuckDB: the figures of answers.sql from the records themselves, with nothing of the stream's or the baselines' code.
-- Input: accepted (partition, kafka_offset, event_id, event_type, event_ms, user_id, page_url, price, quantity).
create or replace temp table once as
select
    *,
    case
        when rtrim(regexp_extract(page_url, '^[a-z]+://[^/?#]+([^?#]*)', 1), '/') = '' then '/'
        else rtrim(regexp_extract(page_url, '^[a-z]+://[^/?#]+([^?#]*)', 1), '/')
    end as page_path,
    case when event_type = 'purchase' then round_even(price * coalesce(quantity, 1) * 10000, 0)::bigint else 0 end
        as revenue_e4,
    event_ms // 60000 * 60000 as minute_ms
from accepted
qualify row_number() over (partition by event_id order by partition, kafka_offset) = 1;

create or replace temp table visits as
select
    user_id,
    min(event_ms) as started_ms,
    max(event_ms) as ended_ms,
    count(*) as events,
    count(*) filter (event_type = 'page_view') as page_views,
    count(*) filter (event_type = 'purchase') as purchases,
    sum(revenue_e4)::bigint as revenue_e4,
    first(page_path order by event_ms, event_id) filter (event_type = 'page_view') as entry_page,
    last(page_path order by event_ms, event_id) filter (event_type = 'page_view') as exit_page,
    coalesce(list_slice(list(page_path order by event_ms, event_id) filter (event_type = 'page_view'), 1, 100), [])
        as path
from (
    select
        *,
        sum(starts) over (partition by user_id order by event_ms, event_id rows unbounded preceding) as visit
    from (
        select
            *,
            case
                when event_ms - lag(event_ms) over (partition by user_id order by event_ms, event_id) <= 1800000 then 0
                else 1
            end as starts
        from once
    )
)
group by user_id, visit;

create or replace temp macro hash_of(text) as ('0x' || left(md5(text), 15))::bigint;

select
    (select count(*) from once) as ids,
    (select count(*) from once) as events,
    (select count(*) from visits) as sessions,
    (select sum(hash_of(concat_ws('|', user_id, started_ms, ended_ms, events))) from visits) as session_spans,
    (
        select
            sum(hash_of(concat_ws(
                '|', user_id, started_ms, ended_ms, events, page_views, purchases, revenue_e4, entry_page, exit_page,
                array_to_string(path, '>')
            )))
        from visits
    ) as session_facts,
    (select count(*) from once) as minute_events,
    (
        select sum(hash_of(concat_ws('|', minute_ms, events)))
        from (select minute_ms, count(*) as events from once group by all)
    ) as minutes,
    (
        select sum(hash_of(concat_ws('|', minute_ms, event_type, events, revenue_e4)))
        from (select minute_ms, event_type, count(*) as events, sum(revenue_e4) as revenue_e4 from once group by all)
    ) as minute_types,
    (select count(*) from once where event_type = 'page_view') as views,
    (
        select sum(hash_of(concat_ws('|', minute_ms, page_path, views)))
        from (
            select minute_ms, page_path, count(*) as views from once where event_type = 'page_view' group by all
        )
    ) as minute_pages
