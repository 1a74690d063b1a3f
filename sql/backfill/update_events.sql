-- Write what today's rules say of events, and tell the models whose events changed.
-- Parameters: since, until (timestamptz); reads differing_events.
with told as (
    insert into clickstream.model_changes (user_id, day)
    select distinct
        user_id,
        (event_time at time zone 'utc')::date
    from pg_temp.differing_events
)

update clickstream.events as stored set
    page_path = differing.page_path,
    page_group = differing.page_group,
    referrer_medium = differing.referrer_medium,
    device = differing.device,
    browser = differing.browser,
    bot = differing.bot,
    product_id = differing.product_id,
    category = differing.category
from pg_temp.differing_events as differing
where
    stored.event_id = differing.event_id
    and stored.event_time >= %(since)s
    and stored.event_time < %(until)s
