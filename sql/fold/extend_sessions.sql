-- Write the merged rows of stored sessions. Parameters: none; reads session_changes (fold/session_changes.sql).
-- An update in place: as long as the start stays, no index changes (HOT).
update clickstream.sessions as stored set
    started_at = changed.started_at,
    ended_at = changed.ended_at,
    events = changed.events,
    page_views = changed.page_views,
    searches = changed.searches,
    item_views = changed.item_views,
    cart_adds = changed.cart_adds,
    checkouts = changed.checkouts,
    purchases = changed.purchases,
    sign_ups = changed.sign_ups,
    revenue_e4 = changed.revenue_e4,
    entry_page = changed.entry_page,
    exit_page = changed.exit_page,
    exit_at = changed.exit_at,
    exit_event_id = changed.exit_event_id,
    path = changed.path,
    path_at = changed.path_at,
    path_event_ids = changed.path_event_ids,
    referrer_medium = changed.referrer_medium,
    device = changed.device,
    browser = changed.browser,
    bot = changed.bot,
    engaged = changed.engaged,
    converted = changed.converted,
    quarantined = changed.quarantined
from pg_temp.session_changes as changed
where stored.session_id = changed.session_id
