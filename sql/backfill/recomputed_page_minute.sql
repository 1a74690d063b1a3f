-- The page views that a run recomputed, added up; a path has one group. Parameters: run. Grain: the key of page_minute.
select
    minute,
    page_path,
    is_bot,
    min(page_group) as page_group,
    sum(views)::bigint as views
from clickstream.backfill_page_minute
where run = %(run)s
group by minute, page_path, is_bot
