-- When the models were last built and which checks of that run failed. Parameters: none. Grain: one row; null: never.
select
    extract(epoch from now() - max(checked_at))::float8 as age,
    coalesce(array_agg(check_name order by check_name) filter (where severity = 'fail' and not passed), '{}') as failed
from clickstream.check_results
where interval_end = (select max(latest.interval_end) from clickstream.check_results as latest)
