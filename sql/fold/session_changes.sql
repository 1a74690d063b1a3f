-- The connection's own table in which the merged rows of stored sessions travel. Parameters: none.
create temporary table if not exists session_changes on commit delete rows as
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
from clickstream.sessions
with no data
