-- The most viewed pages of the last 30 minutes, and the views of each group of pages.
-- Parameters: now (timestamptz). Grain: one row a page, at most 50, and one a group (its page_path is null).
with pages as materialized (
    select
        page_path,
        max(page_group) as page_group,
        sum(views)::bigint as views
    from clickstream.page_minute
    where minute > %(now)s - interval '30 minutes' and minute <= %(now)s and not is_bot
    group by page_path
)

(
    select
        page_path,
        page_group,
        views
    from pages
    order by views desc, page_path asc
    limit 50
)
union all
select
    null as page_path,
    page_group,
    sum(views)::bigint as views
from pages
group by page_group
