-- The pages that were ever viewed, and what a page is called as a step of a journey.
-- Parameters: run_id (text).
-- Grain: one row for each page path.
-- Usage: clickstream_models, after scope/claim.sql and before the models that join it; one transaction. Adds what the
-- hours of model_hours show; the group is that of the last view, also when a backfill gave it another. Idempotent.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

-- A backfill by other rules changes the group of views that were known; days that are not built in this run follow.
with seen as (
    insert into clickstream.pages as known (page_path, page_group, last_viewed_at)
    select distinct on (viewed.page_path)
        viewed.page_path,
        viewed.page_group,
        viewed.minute
    from clickstream.model_hours as changed
    inner join clickstream.page_minute as viewed
        on changed.hour <= viewed.minute and changed.hour + interval '1 hour' > viewed.minute
    where changed.run_id = %(run_id)s
    order by viewed.page_path asc, viewed.minute desc, viewed.page_group asc
    on conflict (page_path) do update
        set
            page_group = excluded.page_group,
            last_viewed_at = excluded.last_viewed_at
        where
        known.last_viewed_at < excluded.last_viewed_at
        or (known.last_viewed_at = excluded.last_viewed_at and known.page_group <> excluded.page_group)
    returning
        known.page_path,
        known.page_group,
        old.page_group as group_before
)

update clickstream.pages_daily as stored set page_group = seen.page_group
from seen
where stored.page_path = seen.page_path and seen.page_group <> seen.group_before;

select count(*) as pages
from clickstream.pages;
