-- The most viewed pages of the last 30 minutes. Parameters: now (timestamptz). Grain: one row a page, at most 50.
select
    page_path,
    sum(views)::bigint as views
from clickstream.page_minute
where minute > %(now)s - interval '30 minutes' and minute <= %(now)s and not is_bot
group by page_path
order by views desc, page_path asc
limit 50
