-- How long pages took to load, as histograms that add up: a percentile over days is read from their sum.
-- Parameters: run_id (text).
-- Grain: one row for each UTC hour, page path and bucket; no declared bots.
-- Semantics: bucket b holds loads of 1.05^b ms up to 1.05^(b + 1) ms, as in load_minute.
-- Usage: clickstream_models, after scope/claim.sql; one transaction. Builds the hours of model_hours whose
-- events are still kept (table retention). Idempotent.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

delete from clickstream.page_loads_hourly as stored
using clickstream.model_hours as changed
where
    changed.run_id = %(run_id)s
    and stored.hour = changed.hour
    and changed.hour >= all(select horizon::timestamptz from clickstream.retention);

insert into clickstream.page_loads_hourly (hour, page_path, bucket, loads)
select
    changed.hour,
    events.page_path,
    floor(ln(greatest((events.properties ->> 'page_load_ms')::double precision, 1)) / ln(1.05::double precision))
        as bucket,
    count(*)
from clickstream.model_hours as changed
inner join clickstream.events
    on changed.hour <= events.event_time and changed.hour + interval '1 hour' > events.event_time
where
    changed.run_id = %(run_id)s
    and changed.hour >= all(select horizon::timestamptz from clickstream.retention)
    and events.bot is null
    and (events.properties ->> 'page_load_ms') is not null
group by changed.hour, events.page_path, bucket;

select sum(loads) as loads
from clickstream.page_loads_hourly
inner join clickstream.model_hours using (hour)
where run_id = %(run_id)s;
