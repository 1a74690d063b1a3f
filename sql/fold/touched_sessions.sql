-- Stored sessions that a slice's fragments may join. Parameters: users (text[]), starts, ends (timestamptz[],
-- parallel), gap (interval). Grain: one row per stored session, in the columns of sessions.FRAGMENT and its id; lists
-- travel as text or joined bytes, which are read a column at a time. A behavioural bot is judged anew each time.
-- Sessions of one user never overlap, so before a fragment only the last that started can reach it.
with fragments as (
    select *
    from unnest(%(users)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
        as fragment (user_id, started_at, ended_at)
),

touched as (
    select distinct candidate.session_id
    from fragments
    cross join
        lateral (
            (
                select
                    stored.session_id,
                    stored.ended_at
                from clickstream.sessions as stored
                where stored.user_id = fragments.user_id and stored.started_at <= fragments.started_at
                order by stored.started_at desc
                limit 1
            )
            union all
            select
                stored.session_id,
                stored.ended_at
            from clickstream.sessions as stored
            where
                stored.user_id = fragments.user_id
                and stored.started_at > fragments.started_at
                and stored.started_at <= fragments.ended_at + %(gap)s
        ) as candidate
    where candidate.ended_at >= fragments.started_at - %(gap)s
)

select
    sessions.session_id,
    sessions.user_id,
    (extract(epoch from sessions.started_at) * 1000)::bigint as started_ms,
    (extract(epoch from sessions.ended_at) * 1000)::bigint as ended_ms,
    sessions.first_event_id,
    sessions.events,
    sessions.page_views,
    sessions.clicks,
    sessions.scrolls,
    sessions.searches,
    sessions.item_views,
    sessions.cart_adds,
    sessions.cart_removals,
    sessions.checkouts,
    sessions.payment_infos,
    sessions.purchases,
    sessions.sign_ups,
    sessions.logins,
    (extract(epoch from sessions.first_search_at) * 1000)::bigint as first_search_ms,
    (extract(epoch from sessions.first_item_view_at) * 1000)::bigint as first_item_view_ms,
    (extract(epoch from sessions.first_cart_add_at) * 1000)::bigint as first_cart_add_ms,
    (extract(epoch from sessions.first_checkout_at) * 1000)::bigint as first_checkout_ms,
    (extract(epoch from sessions.first_payment_info_at) * 1000)::bigint as first_payment_info_ms,
    (extract(epoch from sessions.first_purchase_at) * 1000)::bigint as first_purchase_ms,
    (extract(epoch from sessions.first_sign_up_at) * 1000)::bigint as first_sign_up_ms,
    sessions.revenue_e4,
    sessions.exit_page,
    (extract(epoch from sessions.exit_at) * 1000)::bigint as exit_ms,
    sessions.exit_event_id,
    to_json(sessions.path)::text as path,
    array_to_string(sessions.path_at, ',') as path_at,
    sessions.path_event_ids,
    sessions.referrer_medium,
    sessions.device,
    sessions.browser,
    sessions.source,
    sessions.medium,
    sessions.campaign,
    sessions.channel,
    sessions.os,
    sessions.browser_version,
    sessions.client_session_min,
    sessions.client_session_max,
    case when sessions.bot = 'declared' then sessions.bot end as bot
from touched
inner join clickstream.sessions on touched.session_id = sessions.session_id
