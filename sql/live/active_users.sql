-- Distinct people seen in the last 5 and 30 minutes. Parameters: now (timestamptz). Grain: one row.
-- A user was seen since T exactly when one of their sessions ended after T.
select
    count(distinct user_id) filter (where ended_at >= %(now)s - interval '5 minutes') as users_5m,
    count(distinct user_id) as users_30m
from clickstream.sessions
where ended_at >= %(now)s - interval '30 minutes' and started_at <= %(now)s and bot is null
