-- The transaction's own table of staged events that differ from what is stored; one that is not stored at all has null.
-- Parameters: run, since, until (timestamptz). Not `insert into`: only so PostgreSQL compares on several cores.
create temporary table differing_events on commit drop as
select
    staged.*,
    case
        when stored.event_id is not null then
            jsonb_build_object(
                'page_path', stored.page_path, 'page_group', stored.page_group,
                'referrer_medium', stored.referrer_medium, 'device', stored.device, 'browser', stored.browser,
                'bot', stored.bot,
                'product_id', stored.product_id, 'category', stored.category
            )
    end as stored
from clickstream.backfill_events as staged
left join clickstream.events as stored
    on
        staged.event_id = stored.event_id
        and stored.event_time >= %(since)s
        and stored.event_time < %(until)s
where
    staged.run = %(run)s
    and (
        stored.event_id is null
        or (
            stored.page_path, stored.page_group, stored.referrer_medium, stored.device, stored.browser, stored.bot,
            stored.product_id, stored.category
        ) is distinct from (
            staged.page_path, staged.page_group, staged.referrer_medium, staged.device, staged.browser, staged.bot,
            staged.product_id, staged.category
        )
    )
