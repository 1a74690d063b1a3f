-- Independent of the stream's code: what a DuckDB user would compute from the raw records.
-- Input: raw (value blob as text, partition, kafka_offset, kafka_ms), only records that are valid UTF-8 JSON objects.
create or replace temp table parsed as
select
    partition,
    kafka_offset,
    kafka_ms,
    json_extract_string(value, '$.event_id') as event_id,
    json_extract_string(value, '$.event_type') as event_type,
    epoch_ms(json_extract_string(value, '$.event_time')::timestamptz) as event_ms,
    json_extract_string(value, '$.user_id') as user_id,
    json_extract_string(value, '$.page_url') as page_url,
    json_extract(value, '$.properties.price')::double as price,
    json_extract(value, '$.properties.quantity')::int as quantity
from raw;

create or replace temp table accepted as
select
    *,
    case
        when rtrim(regexp_extract(page_url, '^[a-z]+://[^/?#]+([^?#]*)', 1), '/') = '' then '/'
        else rtrim(regexp_extract(page_url, '^[a-z]+://[^/?#]+([^?#]*)', 1), '/')
    end as page_path,
    case when event_type = 'purchase' then round_even(price * coalesce(quantity, 1) * 10000, 0)::bigint else 0 end
        as revenue_e4
from parsed
where event_ms <= kafka_ms + 300000 and event_ms >= 946684800000
qualify row_number() over (partition by event_id order by partition, kafka_offset) = 1;

create or replace temp table numbered as
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
    from accepted
);

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
from numbered
group by user_id, visit
order by user_id, started_ms;
