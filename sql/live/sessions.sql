-- People's sessions of the last 60 minutes, read in one pass: who is active, how far the sessions got, and the line of
-- active users and new sessions by minute.
-- Parameters: now (timestamptz), gap (interval, the session gap). Grain: one row; `line` is a JSON object by minute.
with recent as (
    select
        started_at,
        ended_at,
        ended_at >= %(now)s - interval '60 minutes' as counts,
        item_views > 0 as viewed,
        cart_adds > 0 as carted,
        checkouts > 0 as checked_out,
        converted
    from clickstream.sessions
    where
        ended_at >= %(now)s - interval '65 minutes' -- the line's first minute looks back for five
        and started_at <= %(now)s
        and bot is null
        and not quarantined
),

cells as materialized (
    select
        date_bin('1 minute', greatest(started_at, %(now)s - interval '60 minutes'), 'epoch') as first_minute,
        date_bin('1 minute', ended_at, 'epoch') as last_minute,
        count(*) as ended,
        count(*) filter (where ended_at >= %(now)s - interval '5 minutes') as seen_5m,
        count(*) filter (where ended_at >= %(now)s - interval '30 minutes') as seen_30m,
        count(*) filter (where counts) as sessions,
        count(*) filter (where counts and viewed) as views,
        count(*) filter (where counts and viewed and carted) as carts,
        count(*) filter (where counts and viewed and carted and checked_out) as checkouts,
        count(*) filter (where counts and viewed and carted and checked_out and converted) as purchases,
        count(*) filter (where counts and converted) as converted
    from recent
    group by first_minute, last_minute
),

-- Active in a minute as in live:active_users.5m: seen in the five minutes up to its end. sql/anomalies/minutes.sql
-- says it in the same way, so that anomalies lie on the line.
line as (
    select
        to_char(minutes.minute at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as minute,
        coalesce(sum(cells.ended), 0)::bigint as active_users,
        coalesce(sum(cells.ended) filter (where cells.first_minute = minutes.minute), 0)::bigint as sessions
    from
        generate_series(
            date_bin('1 minute', %(now)s - interval '59 minutes', 'epoch'), %(now)s, interval '1 minute'
        ) as minutes (minute)
    left join cells on minutes.minute between cells.first_minute and cells.last_minute + interval '4 minutes'
    group by minutes.minute
)

select
    -- Sessions of a user lie more than the gap apart: where it reaches over the window, sessions are users. The case
    -- spares the sort of all user ids.
    case
        when %(gap)s >= interval '5 minutes' then coalesce(sum(seen_5m), 0)::bigint
        else (
            select count(distinct user_id) from clickstream.sessions
            where
                ended_at >= %(now)s - interval '5 minutes'
                and started_at <= %(now)s
                and bot is null
                and not quarantined
        )
    end as users_5m,
    case
        when %(gap)s >= interval '30 minutes' then coalesce(sum(seen_30m), 0)::bigint
        else (
            select count(distinct user_id) from clickstream.sessions
            where
                ended_at >= %(now)s - interval '30 minutes'
                and started_at <= %(now)s
                and bot is null
                and not quarantined
        )
    end as users_30m,
    coalesce(sum(sessions), 0)::bigint as sessions,
    coalesce(sum(views), 0)::bigint as views,
    coalesce(sum(carts), 0)::bigint as carts,
    coalesce(sum(checkouts), 0)::bigint as checkouts,
    coalesce(sum(purchases), 0)::bigint as purchases,
    coalesce(sum(converted), 0)::bigint as converted,
    (select jsonb_object_agg(minute, to_jsonb(line) - 'minute') from line) as line
from cells
