-- Append fragments to the sessions that they follow.
update clickstream.sessions as stored set
    ended_at = piece.ended_at,
    events = stored.events + piece.events,
    page_views = stored.page_views + piece.page_views,
    searches = stored.searches + piece.searches,
    item_views = stored.item_views + piece.item_views,
    cart_adds = stored.cart_adds + piece.cart_adds,
    checkouts = stored.checkouts + piece.checkouts,
    purchases = stored.purchases + piece.purchases,
    sign_ups = stored.sign_ups + piece.sign_ups,
    revenue_e4 = least(stored.revenue_e4::numeric + piece.revenue_e4, 9e18)::bigint,
    entry_page = coalesce(stored.entry_page, piece.entry_page),
    exit_page = coalesce(piece.exit_page, stored.exit_page),
    exit_at = coalesce(piece.exit_at, stored.exit_at),
    exit_event_id = coalesce(piece.exit_event_id, stored.exit_event_id),
    path = (stored.path || piece.path)[1:100],
    path_at = (stored.path_at || piece.path_at)[1:100],
    path_event_ids = substr(stored.path_event_ids || piece.path_event_ids, 1, 1600),
    bot = least(stored.bot, piece.bot),
    engaged = (
        piece.ended_at - stored.started_at > interval '10 seconds'
        or stored.purchases + piece.purchases + stored.sign_ups + piece.sign_ups > 0
        or stored.page_views + piece.page_views >= 2
    ),
    converted = stored.purchases + piece.purchases > 0,
    quarantined = (
        piece.ended_at - stored.started_at > interval '3 days' or stored.events + piece.events > 10000
    )
from touched inner join fragment as piece on touched.position = piece.position
where touched.appends and stored.session_id = touched.session_id
