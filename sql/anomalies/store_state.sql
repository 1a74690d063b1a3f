-- Keep what the detectors remember. Parameters: metrics (text[]), states (text[] of JSON), minute (timestamptz).
-- Grain: one row a metric.
insert into clickstream.anomaly_state (metric, minute, state)
select
    kept.metric,
    %(minute)s,
    kept.state::jsonb
from unnest(%(metrics)s::text[], %(states)s::text[]) as kept (metric, state)
on conflict (metric) do update set minute = excluded.minute, state = excluded.state
