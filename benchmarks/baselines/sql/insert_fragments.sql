-- Fragments that touch no stored session are sessions of their own.
insert into clickstream.sessions (
    session_id, user_id, started_at, ended_at, first_event_id, events, page_views, searches, item_views, cart_adds,
    checkouts, purchases, sign_ups, revenue_e4, entry_page, exit_page, exit_at, exit_event_id, path, path_at,
    path_event_ids, referrer_medium, device, browser, bot, engaged, converted, quarantined
)
select
    session_id,
    user_id,
    started_at,
    ended_at,
    first_event_id,
    events,
    page_views,
    searches,
    item_views,
    cart_adds,
    checkouts,
    purchases,
    sign_ups,
    revenue_e4,
    entry_page,
    exit_page,
    exit_at,
    exit_event_id,
    path,
    path_at,
    path_event_ids,
    referrer_medium,
    device,
    browser,
    bot,
    engaged,
    converted,
    quarantined
from fragment
where position not in (select touched.position from touched)
