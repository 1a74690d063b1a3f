-- The last 50 anomalies of 24 hours. Parameters: now (timestamptz). Grain: one row an anomaly, newest first.
select
    found.metric,
    found.value,
    found.expected,
    found.lower_bound,
    found.upper_bound,
    found.score,
    found.reason,
    to_char(minute at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as minute
from clickstream.anomalies as found
where found.minute > %(now)s - interval '24 hours'
order by found.minute desc, found.metric asc
limit 50
