-- Stored sessions that a slice's fragments may join. Parameters: users (text[]), starts, ends (timestamptz[],
-- parallel), gap (interval). Grain: one row per fragment and stored session (one that lies between two fragments comes
-- twice), in the columns of sessions.FRAGMENT and its id; lists travel as text or joined bytes, which are read a column
-- at a time. A behavioural bot is judged anew each time. date_part's doubles are exact for milliseconds and faster than
-- extract's numerics.
-- Sessions of one user never overlap, so before a fragment only the last that started can reach it.
select
    touched.session_id,
    touched.user_id,
    (date_part('epoch', touched.started_at) * 1000)::bigint as started_ms,
    (date_part('epoch', touched.ended_at) * 1000)::bigint as ended_ms,
    touched.first_event_id,
    touched.events,
    touched.page_views,
    touched.clicks,
    touched.scrolls,
    touched.searches,
    touched.item_views,
    touched.cart_adds,
    touched.cart_removals,
    touched.checkouts,
    touched.payment_infos,
    touched.purchases,
    touched.sign_ups,
    touched.logins,
    (date_part('epoch', touched.first_search_at) * 1000)::bigint as first_search_ms,
    (date_part('epoch', touched.first_item_view_at) * 1000)::bigint as first_item_view_ms,
    (date_part('epoch', touched.first_cart_add_at) * 1000)::bigint as first_cart_add_ms,
    (date_part('epoch', touched.first_checkout_at) * 1000)::bigint as first_checkout_ms,
    (date_part('epoch', touched.first_payment_info_at) * 1000)::bigint as first_payment_info_ms,
    (date_part('epoch', touched.first_purchase_at) * 1000)::bigint as first_purchase_ms,
    (date_part('epoch', touched.first_sign_up_at) * 1000)::bigint as first_sign_up_ms,
    touched.revenue_e4,
    touched.exit_page,
    (date_part('epoch', touched.exit_at) * 1000)::bigint as exit_ms,
    touched.exit_event_id,
    to_json(touched.path)::text as path,
    array_to_string(touched.path_at, ',') as path_at,
    touched.path_event_ids,
    touched.referrer_medium,
    touched.device,
    touched.browser,
    touched.source,
    touched.medium,
    touched.campaign,
    touched.channel,
    touched.os,
    touched.browser_version,
    touched.client_session_min,
    touched.client_session_max,
    case when touched.bot = 'declared' then touched.bot end as bot
from
    unnest(%(users)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
        as fragment (user_id, started_at, ended_at)
cross join
    lateral (
        (
            select stored.*
            from clickstream.sessions as stored
            where stored.user_id = fragment.user_id and stored.started_at <= fragment.started_at
            order by stored.started_at desc
            limit 1
        )
        union all
        select stored.*
        from clickstream.sessions as stored
        where
            stored.user_id = fragment.user_id
            and stored.started_at > fragment.started_at
            and stored.started_at <= fragment.ended_at + %(gap)s
    ) as touched
where touched.ended_at >= fragment.started_at - %(gap)s
