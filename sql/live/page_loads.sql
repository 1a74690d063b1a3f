-- The page-load histogram of the last 30 minutes. Parameters: now (timestamptz). Grain: one row a bucket, in order.
select
    bucket,
    sum(loads)::bigint as loads
from clickstream.load_minute
where minute > %(now)s - interval '30 minutes' and minute <= %(now)s and not is_bot
group by bucket
order by bucket
