-- DuckDB: sessions and journey links from records, with nothing of the stream's or the baselines' code.
-- Input: accepted (partition, kafka_offset, event_id, event_type, event_ms, user_id, session_id, page_url, user_agent,
-- price, quantity), repeats included; functions page_group(path) and is_declared(user_agent), whose rules are lists.
-- Output: tables once (one row an event), visits (one row a session) and links (one row a journey link).
create or replace temp table once as
select
    *,
    case
        when rtrim(regexp_extract(page_url, '^[a-z]+://[^/?#]+([^?#]*)', 1), '/') = '' then '/'
        else rtrim(regexp_extract(page_url, '^[a-z]+://[^/?#]+([^?#]*)', 1), '/')
    end as page_path,
    case when event_type = 'purchase' then round_even(price * coalesce(quantity, 1) * 10000, 0)::bigint else 0 end
        as revenue_e4,
    event_ms // 60000 * 60000 as minute_ms
from accepted
qualify row_number() over (partition by event_id order by partition, kafka_offset) = 1;

create or replace temp table pages as
select
    page_path,
    page_group(page_path) as page_group
from (select distinct page_path from once);

create or replace temp table agents as
select
    user_agent,
    is_declared(user_agent) as declared
from (select distinct user_agent from once where user_agent is not null);

create or replace temp table visits as
with numbered as (
    select
        *,
        sum(starts) over (partition by user_id order by event_ms, event_id rows unbounded preceding) as visit
    from (
        select
            once.*,
            agents.declared,
            case
                when event_ms - lag(event_ms) over (partition by user_id order by event_ms, event_id) <= 1800000 then 0
                else 1
            end as starts
        from once
        left join agents on once.user_agent = agents.user_agent
    )
),

folded as (
    select
        user_id,
        min(event_ms) as started_ms,
        max(event_ms) as ended_ms,
        first(event_id order by event_ms, event_id) as first_event_id,
        count(*) as events,
        count(*) filter (event_type = 'page_view') as page_views,
        count(*) filter (event_type = 'click') as clicks,
        count(*) filter (event_type = 'scroll') as scrolls,
        count(*) filter (event_type = 'search') as searches,
        count(*) filter (event_type = 'view_item') as item_views,
        count(*) filter (event_type = 'add_to_cart') as cart_adds,
        count(*) filter (event_type = 'remove_from_cart') as cart_removals,
        count(*) filter (event_type = 'begin_checkout') as checkouts,
        count(*) filter (event_type = 'add_payment_info') as payment_infos,
        count(*) filter (event_type = 'purchase') as purchases,
        count(*) filter (event_type = 'sign_up') as sign_ups,
        count(*) filter (event_type = 'login') as logins,
        min(event_ms) filter (event_type = 'search') as first_search_ms,
        min(event_ms) filter (event_type = 'view_item') as first_item_view_ms,
        min(event_ms) filter (event_type = 'add_to_cart') as first_cart_add_ms,
        min(event_ms) filter (event_type = 'begin_checkout') as first_checkout_ms,
        min(event_ms) filter (event_type = 'add_payment_info') as first_payment_info_ms,
        min(event_ms) filter (event_type = 'purchase') as first_purchase_ms,
        min(event_ms) filter (event_type = 'sign_up') as first_sign_up_ms,
        sum(revenue_e4)::bigint as revenue_e4,
        min(session_id) as client_session_min,
        max(session_id) as client_session_max,
        first(page_path order by event_ms, event_id) filter (event_type = 'page_view') as entry_page,
        last(page_path order by event_ms, event_id) filter (event_type = 'page_view') as exit_page,
        coalesce(list_slice(list(page_path order by event_ms, event_id) filter (event_type = 'page_view'), 1, 100), [])
            as path,
        coalesce(list_slice(list_sort(list(event_ms) filter (event_type = 'page_view')), 1, 100), []) as path_at,
        coalesce(bool_or(declared), false) as declared
    from numbered
    group by user_id, visit
),

paced as (
    select
        *,
        list_sort(
            list_transform(range(1, len(path_at)), lambda place: path_at[place + 1] - path_at[place])
        ) as pauses,
        list_aggregate(pauses, 'median') as pause,
        pauses[len(pauses) * 9 // 10 + 1] - pauses[len(pauses) // 10 + 1] as spread
    from folded
)

select
    * exclude (declared, pauses, pause, spread),
    case
        when declared then 'declared'
        when len(path_at) < 20 then null
        when pause < 1000 then 'rate'
        when 5 * spread < pause then 'regular'
        when pause < 5000 and scrolls + clicks = 0 then 'no_interaction'
    end as bot,
    ended_ms - started_ms > 10000 or page_views >= 2 or purchases + sign_ups > 0 as engaged,
    purchases > 0 as converted,
    ended_ms - started_ms > 3 * 86400000 or events > 10000 as quarantined
from paced;

create or replace temp table links as
with views as (
    select
        user_id,
        started_ms,
        unnest(path) as page_path,
        generate_subscripts(path, 1) as place
    from visits
    where bot is null and not quarantined
),

changes as (
    select *
    from views
    qualify page_path is distinct from lag(page_path) over (partition by user_id, started_ms order by place)
),

steps as (
    select
        started_ms // 86400000 as day,
        row_number() over (partition by user_id, started_ms order by place) as step,
        if(page_group = 'Other', page_path, page_group) as source,
        lead(source, 1, '(exit)') over (partition by user_id, started_ms order by place) as target
    from changes
    inner join pages using (page_path)
)

select
    day,
    step,
    source,
    target,
    count(*) as sessions
from steps
where step <= 5
group by all;
