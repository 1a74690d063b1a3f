-- Append fragments to the sessions that they follow. Grain: one row per session, in the columns of store.APPENDED; a
-- session that says to be no bot may still behave like one, which is judged by what is returned here.
update clickstream.sessions as stored set
    ended_at = piece.ended_at,
    events = stored.events + piece.events,
    page_views = stored.page_views + piece.page_views,
    clicks = stored.clicks + piece.clicks,
    scrolls = stored.scrolls + piece.scrolls,
    searches = stored.searches + piece.searches,
    item_views = stored.item_views + piece.item_views,
    cart_adds = stored.cart_adds + piece.cart_adds,
    cart_removals = stored.cart_removals + piece.cart_removals,
    checkouts = stored.checkouts + piece.checkouts,
    payment_infos = stored.payment_infos + piece.payment_infos,
    purchases = stored.purchases + piece.purchases,
    sign_ups = stored.sign_ups + piece.sign_ups,
    logins = stored.logins + piece.logins,
    first_search_at = coalesce(stored.first_search_at, piece.first_search_at),
    first_item_view_at = coalesce(stored.first_item_view_at, piece.first_item_view_at),
    first_cart_add_at = coalesce(stored.first_cart_add_at, piece.first_cart_add_at),
    first_checkout_at = coalesce(stored.first_checkout_at, piece.first_checkout_at),
    first_payment_info_at = coalesce(stored.first_payment_info_at, piece.first_payment_info_at),
    first_purchase_at = coalesce(stored.first_purchase_at, piece.first_purchase_at),
    first_sign_up_at = coalesce(stored.first_sign_up_at, piece.first_sign_up_at),
    revenue_e4 = least(stored.revenue_e4::numeric + piece.revenue_e4, 9e18)::bigint,
    entry_page = coalesce(stored.entry_page, piece.entry_page),
    exit_page = coalesce(piece.exit_page, stored.exit_page),
    exit_at = coalesce(piece.exit_at, stored.exit_at),
    exit_event_id = coalesce(piece.exit_event_id, stored.exit_event_id),
    path = (stored.path || piece.path)[1:100],
    path_at = (stored.path_at || piece.path_at)[1:100],
    path_event_ids = substr(stored.path_event_ids || piece.path_event_ids, 1, 1600),
    client_session_min = least(stored.client_session_min collate "C", piece.client_session_min collate "C"),
    client_session_max = greatest(stored.client_session_max collate "C", piece.client_session_max collate "C"),
    bot = case when 'declared' in (stored.bot, piece.bot) then 'declared' end,
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
returning
    uuid_send(new.session_id) as session_id,
    new.user_id,
    (extract(epoch from new.started_at) * 1000)::bigint as started_ms,
    (extract(epoch from new.ended_at) * 1000)::bigint as ended_ms,
    new.events,
    new.page_views,
    new.item_views,
    new.searches,
    new.purchases,
    new.payment_infos,
    new.revenue_e4,
    to_json(new.path_at)::text as path_at,
    new.bot,
    to_json(new.path)::text as path,
    new.scrolls,
    new.clicks,
    new.quarantined,
    cardinality(old.path) as old_views,
    old.bot as old_bot,
    old.quarantined as old_quarantined
