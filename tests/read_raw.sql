-- DuckDB: accepted (the input of recompute.sql) from the records themselves.
-- Input: raw (value: text, partition, kafka_offset, kafka_ms), only records that are JSON objects of the contract.
create or replace temp table accepted as
select
    partition,
    kafka_offset,
    lower(json_extract_string(value, '$.event_id')) as event_id,
    json_extract_string(value, '$.event_type') as event_type,
    epoch_ms(json_extract_string(value, '$.event_time')::timestamptz) as event_ms,
    json_extract_string(value, '$.user_id') as user_id,
    json_extract_string(value, '$.session_id') as session_id,
    json_extract_string(value, '$.page_url') as page_url,
    json_extract_string(value, '$.user_agent') as user_agent,
    json_extract(value, '$.properties.price')::double as price,
    json_extract(value, '$.properties.quantity')::int as quantity
from raw
where event_ms <= kafka_ms + 300000 and event_ms >= 946684800000;
