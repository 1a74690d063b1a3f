-- The shop's events by the definitions of the models, in DuckDB and apart from the platform's code.
-- Reads events (event_id, event_type, event_time, user_id, page_url), makes tables that the test asks.
create table placed as
select
    *,
    sum(begins::integer) over (partition by user_id order by event_time, event_id) as visit
from (
    select
        event_id,
        event_type,
        event_time,
        user_id,
        regexp_extract(page_url, '^https://[^/]+([^?]*)', 1) as page,
        coalesce(
            event_time - lag(event_time) over (partition by user_id order by event_time, event_id)
            > interval '1800 seconds',
            true
        ) as begins
    from events
) as gaps;

create table visits as
select
    user_id,
    visit,
    min(event_time) as started_at,
    max(event_time) as ended_at,
    count(*) as events,
    count(*) filter (where event_type = 'page_view') as views,
    bool_or(event_type = 'purchase') as converted,
    (
        max(event_time) - min(event_time) > interval '10 seconds'
        or bool_or(event_type in ('purchase', 'sign_up'))
        or count(*) filter (where event_type = 'page_view') >= 2
    ) as engaged
from placed
group by user_id, visit;

create table steps as
select
    user_id,
    visit,
    label,
    row_number() over forwards as step,
    row_number() over (partition by user_id, visit order by event_time desc, event_id desc) as step_back,
    coalesce(lead(label) over forwards, '(exit)') as next_label,
    coalesce(lag(label) over forwards, '(entrance)') as label_before
from (
    select
        *,
        case page when '/' then 'Home' when '/cart' then 'Cart' when '/account' then 'Account' else page end as label,
        lag(page) over (partition by user_id, visit order by event_time, event_id) as page_before
    from placed
    where event_type = 'page_view'
) as viewed
where page_before is distinct from page
window forwards as (partition by user_id, visit order by event_time, event_id);

create table weeks as
select distinct
    user_id,
    date_trunc('week', started_at)::date as week
from visits;
