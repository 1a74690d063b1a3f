-- DuckDB: the purchase funnel of sql/funnels.yaml from Parquet, as funnel_users, funnel_steps and funnel_times hold it.
-- Parameters: events, sessions (files), written in by name. Grain: as the tables.
set timezone = 'UTC';

create or replace temporary table steps as
select
    events.user_id,
    events.event_time as moment,
    events.event_id,
    events.event_type,
    events.device
from '{events}' as events
where
    events.bot is null
    and events.event_type in ('view_item', 'add_to_cart', 'begin_checkout', 'purchase')
    and not exists (
        from '{sessions}' as left_out
        where
            (left_out.bot is not null or left_out.quarantined)
            and left_out.user_id = events.user_id
            and events.event_time between left_out.started_at and left_out.ended_at
    );

-- Each start with the earliest event of each next step, as far as the window goes.
create or replace temporary table starts as
select
    one.user_id,
    one.moment::date as day,
    one.moment,
    one.event_id,
    one.device,
    [
        reached for reached in [one.moment, two.moment, three.moment, four.moment]
        if reached <= one.moment + interval 14 days
    ] as step_at
from (from steps where event_type = 'view_item') as one
asof left join (from steps where event_type = 'add_to_cart') as two
    on one.user_id = two.user_id and two.moment >= one.moment
asof left join (from steps where event_type = 'begin_checkout') as three
    on one.user_id = three.user_id and three.moment >= two.moment
asof left join (from steps where event_type = 'purchase') as four
    on one.user_id = four.user_id and four.moment >= three.moment;

create or replace temporary table funnel_users as
select
    entries.day,
    entries.user_id as scope_id,
    entries.entered_at,
    len(entries.step_at) as reached,
    entries.step_at,
    entries.device,
    coalesce(visits.channel, '(none)') as channel
from (
    select
        user_id,
        day,
        min(moment) as entered_at,
        arg_min(device, (moment, event_id)) as device,
        arg_min(step_at, (-len(step_at), moment)) as step_at
    from starts
    group by user_id, day
) as entries
asof left join '{sessions}' as visits
    on entries.user_id = visits.user_id and entries.entered_at >= visits.started_at;

create or replace temporary table listed as
select day, '(all)' as breakdown, '(all)' as value, reached, step_at from funnel_users
union all
select day, 'device', device, reached, step_at from funnel_users
union all
select day, 'channel', channel, reached, step_at from funnel_users;

create or replace temporary table funnel_steps as
with counts as (
    select
        day,
        breakdown,
        value,
        step,
        count(*) filter (reached >= step) as users,
        quantile_cont(
            epoch(step_at[step] - step_at[step - 1]), [0.25, 0.5, 0.75, 0.9]
        ) filter (step > 1 and reached >= step) as previous,
        quantile_cont(
            epoch(step_at[step] - step_at[1]), [0.25, 0.5, 0.75, 0.9]
        ) filter (step > 1 and reached >= step) as first
    from listed
    cross join (select unnest([1, 2, 3, 4]) as step)
    group by day, breakdown, value, step
)

select
    day,
    breakdown,
    value,
    step,
    users,
    users / nullif(lag(users) over in_order, 0) as share_of_previous,
    users / first_value(users) over in_order as share_of_first,
    previous,
    first
from counts
window in_order as (partition by day, breakdown, value order by step);

create or replace temporary table funnel_times as
select
    converted.day,
    borders.at_least,
    count(*) as users
from (select day, step_at[4] - step_at[1] as took from funnel_users where reached = 4) as converted
asof join (
    select unnest([
        interval 0 seconds, interval 10 seconds, interval 30 seconds, interval 1 minute, interval 2 minutes,
        interval 5 minutes, interval 10 minutes, interval 15 minutes, interval 30 minutes, interval 1 hour,
        interval 2 hours, interval 4 hours, interval 8 hours, interval 12 hours, interval 1 day, interval 2 days,
        interval 3 days, interval 5 days, interval 7 days, interval 14 days, interval 30 days
    ]) as at_least
) as borders
    on converted.took >= borders.at_least
group by converted.day, borders.at_least;
