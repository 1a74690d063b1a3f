-- DuckDB: the figures of answers.sql that follow from the records alone. Grain: one row.
-- Input: the tables of tests/recompute.sql.
create or replace temp macro hash_of(text) as ('0x' || left(md5(text), 15))::bigint;

select
    (select count(*) from once) as ids,
    (select count(*) from once) as events,
    (select count(*) from visits) as sessions,
    (select sum(hash_of(concat_ws('|', user_id, started_ms, ended_ms, events))) from visits) as session_spans,
    (
        select
            sum(hash_of(concat_ws(
                '|', user_id, started_ms, ended_ms, events, page_views, clicks, scrolls, searches, item_views,
                cart_adds, cart_removals, checkouts, payment_infos, purchases, sign_ups, logins, revenue_e4, entry_page,
                exit_page, array_to_string(path, '>'), client_session_min, client_session_max, engaged::int,
                converted::int, quarantined::int
            )))
        from visits
    ) as session_facts,
    (
        select
            sum(hash_of(concat_ws(
                '|', user_id, started_ms, first_search_ms, first_item_view_ms, first_cart_add_ms, first_checkout_ms,
                first_payment_info_ms, first_purchase_ms, first_sign_up_ms
            )))
        from visits
    ) as session_first_times,
    (select sum(hash_of(concat_ws('|', user_id, started_ms, bot))) from visits) as session_bots,
    (select sum(hash_of(concat_ws('|', day, step, source, target, sessions))) from links) as journey_links,
    (select count(*) from once) as minute_events,
    (
        select sum(hash_of(concat_ws('|', minute_ms, events)))
        from (select minute_ms, count(*) as events from once group by all)
    ) as minutes,
    (
        select sum(hash_of(concat_ws('|', minute_ms, event_type, events, revenue_e4)))
        from (select minute_ms, event_type, count(*) as events, sum(revenue_e4) as revenue_e4 from once group by all)
    ) as minute_types,
    (select count(*) from once where event_type = 'page_view') as views,
    (
        select sum(hash_of(concat_ws('|', minute_ms, page_path, views)))
        from (
            select minute_ms, page_path, count(*) as views from once where event_type = 'page_view' group by all
        )
    ) as minute_pages,
    (
        select sum(hash_of(concat_ws('|', page_group, views)))
        from (
            select page_group, count(*) as views
            from once inner join pages using (page_path)
            where event_type = 'page_view'
            group by all
        )
    ) as page_groups
