-- The SQL models beside the funnels: what they are built from, and their tables (sql/models, DAG clickstream_models).
-- depends: 0006.anomaly_state
-- Run by: clickstream db migrate (role clickstream_owner).
-- Money is counted in ten-thousandths (revenue_e4); shares are null where nothing was counted.

-- What changed since the models were last built: the UTC hours of accepted events and of their arrival, and those in
-- which a session that a slice touched began, before the merge and after it. Appended in the slice's own transaction,
-- as model_changes is; whatever else rewrites events or sessions owes the same rows.
create table clickstream.changed_hours (
    hour timestamptz not null
);

-- The hours that a run of clickstream_models builds; rows stay until a run has built and checked them.
create table clickstream.model_hours (
    hour timestamptz primary key,
    run_id text not null,
    check (hour = date_trunc('hour', hour, 'UTC'))
);

-- `quiet`: nothing was written into it since the run took it, so that models and stream must agree.
create view clickstream.quiet_hours as
select
    run_id,
    hour
from clickstream.model_hours as claimed
where not exists (
    select from clickstream.changed_hours as changed
    where changed.hour = claimed.hour
);

create view clickstream.model_days as
with changed as (
    select distinct (hour at time zone 'UTC')::date as day
    from clickstream.changed_hours
),

claimed as (
    select distinct
        run_id,
        (hour at time zone 'UTC')::date as day
    from clickstream.model_hours
)

select
    claimed.run_id,
    claimed.day,
    changed.day is null as quiet
from claimed
left join changed on claimed.day = changed.day;

-- Keep the result of a check; checking an interval again replaces it.
create function clickstream.keep_check(
    at timestamptz, name text, how text, ok boolean, seen text, wanted text
) returns boolean
language sql set search_path = clickstream, pg_temp as $$
    insert into check_results (check_name, interval_end, severity, passed, observed, expected)
    values (name, at, how, ok, seen, wanted)
    on conflict (check_name, interval_end) do update set
        severity = excluded.severity,
        passed = excluded.passed,
        observed = excluded.observed,
        expected = excluded.expected,
        checked_at = clock_timestamp()
    returning passed
$$;

create table clickstream.traffic_hourly (
    hour timestamptz not null,
    is_bot boolean not null,
    events bigint not null check (events >= 0),
    page_views bigint not null check (page_views >= 0),
    sessions bigint not null check (sessions >= 0),
    users bigint not null check (users between 0 and sessions),
    engaged bigint not null check (engaged between 0 and sessions),
    converted bigint not null check (converted between 0 and sessions),
    revenue_e4 bigint not null,
    bounce_rate double precision generated always as (1 - engaged::double precision / nullif(sessions, 0)) stored,
    conversion_rate double precision generated always as (converted::double precision / nullif(sessions, 0)) stored,
    revenue numeric(20, 4) generated always as (revenue_e4 / 10000.0) stored,
    primary key (hour, is_bot)
);

create table clickstream.traffic_daily (
    day date not null,
    is_bot boolean not null,
    events bigint not null check (events >= 0),
    page_views bigint not null check (page_views >= 0),
    sessions bigint not null check (sessions >= 0),
    users bigint not null check (users between 0 and sessions),
    engaged bigint not null check (engaged between 0 and sessions),
    converted bigint not null check (converted between 0 and sessions),
    revenue_e4 bigint not null,
    bounce_rate double precision generated always as (1 - engaged::double precision / nullif(sessions, 0)) stored,
    conversion_rate double precision generated always as (converted::double precision / nullif(sessions, 0)) stored,
    revenue numeric(20, 4) generated always as (revenue_e4 / 10000.0) stored,
    primary key (day, is_bot)
);

create table clickstream.acquisition_daily (
    day date not null,
    touch text not null check (touch in ('first', 'last_non_direct')),
    channel text not null,
    source text not null,
    medium text not null,
    campaign text not null,
    sessions bigint not null check (sessions > 0),
    users bigint not null check (users between 1 and sessions),
    engaged bigint not null check (engaged between 0 and sessions),
    converted bigint not null check (converted between 0 and sessions),
    revenue_e4 bigint not null,
    conversion_rate double precision generated always as (converted::double precision / sessions) stored,
    revenue numeric(20, 4) generated always as (revenue_e4 / 10000.0) stored,
    primary key (day, touch, channel, source, medium, campaign)
);

create table clickstream.pages (
    page_path text primary key,
    page_group text not null,
    label text not null generated always as (case page_group when 'Other' then page_path else page_group end) stored,
    last_viewed_at timestamptz not null
);

-- A histogram as in load_minute: bucket b holds loads of 1.05^b ms up to 1.05^(b + 1) ms.
create table clickstream.page_loads_hourly (
    hour timestamptz not null,
    page_path text not null,
    bucket smallint not null,
    loads bigint not null check (loads > 0),
    primary key (hour, page_path, bucket)
);

create table clickstream.pages_daily (
    day date not null,
    page_path text not null,
    page_group text not null,
    views bigint not null check (views >= 0),
    entrances bigint not null check (entrances >= 0),
    exits bigint not null check (exits >= 0),
    bounces bigint not null check (bounces between 0 and entrances),
    loads bigint not null check (loads >= 0),
    load_p75_ms double precision check (load_p75_ms >= 0),
    bounce_rate double precision generated always as (bounces::double precision / nullif(entrances, 0)) stored,
    primary key (day, page_path)
);

create table clickstream.products_hourly (
    hour timestamptz not null,
    product_id text not null,
    category text,
    views bigint not null check (views >= 0),
    cart_adds bigint not null check (cart_adds >= 0),
    purchases bigint not null check (purchases >= 0),
    quantity bigint not null,
    revenue_e4 bigint not null,
    primary key (hour, product_id)
);

create table clickstream.products_daily (
    day date not null,
    product_id text not null,
    category text,
    views bigint not null check (views >= 0),
    cart_adds bigint not null check (cart_adds >= 0),
    purchases bigint not null check (purchases >= 0),
    quantity bigint not null,
    revenue_e4 bigint not null,
    cart_rate double precision generated always as (cart_adds::double precision / nullif(views, 0)) stored,
    purchase_rate double precision generated always as (purchases::double precision / nullif(views, 0)) stored,
    revenue numeric(20, 4) generated always as (revenue_e4 / 10000.0) stored,
    primary key (day, product_id)
);

create table clickstream.journey_flows (
    hour timestamptz not null,
    direction text not null check (direction in ('forward', 'backward')),
    anchor text not null,
    step smallint not null check (step between 1 and 5),
    source text not null,
    target text not null,
    sessions bigint not null check (sessions > 0),
    primary key (hour, direction, anchor, step, source, target)
);

-- Flows of a range of days for a Sankey chart: the `labels` most frequent labels of each place, the rest as (other).
-- direction 'forward': from the start of sessions, with an anchor only of those that began at that page;
-- 'backward': from their end, with an anchor only of those that ended there. step 1 is the link at that start or end.
-- The nodes carry their place (1, 2, ... and 0, -1, ...), so that a page can stand at several without a circle.
create function clickstream.journey_flow(
    first_day date, last_day date, direction text default 'forward', anchor text default null, labels integer default 20
) returns table (
    step smallint, source text, target text, source_node text, target_node text, sessions bigint,
    share_of_step double precision, share_of_all double precision
)
language sql stable parallel safe as $$
    with links as (
        select
            stored.step,
            stored.source as near,
            stored.target as far,
            sum(stored.sessions) as sessions
        from clickstream.journey_links as stored
        where
            stored.day between journey_flow.first_day and journey_flow.last_day
            and journey_flow.direction = 'forward' and journey_flow.anchor is null
        group by stored.step, stored.source, stored.target
        having sum(stored.sessions) > 0
        union all
        select
            stored.step,
            case stored.direction when 'forward' then stored.source else stored.target end,
            case stored.direction when 'forward' then stored.target else stored.source end,
            sum(stored.sessions)
        from clickstream.journey_flows as stored
        where
            stored.hour >= journey_flow.first_day::timestamp at time zone 'UTC'
            and stored.hour < (journey_flow.last_day + 1)::timestamp at time zone 'UTC'
            and stored.direction = journey_flow.direction
            and (
                stored.anchor = journey_flow.anchor
                or (journey_flow.anchor is null and journey_flow.direction = 'backward')
            )
        group by 1, 2, 3
    ),

    frequent as (
        select
            place,
            label
        from (
            select
                place,
                label,
                row_number() over (partition by place order by sum(sessions) desc, label) as position
            from (
                select step as place, near as label, sessions from links
                union all
                select 6, far, sessions from links
                where step = 5 and far not in ('(exit)', '(entrance)')
            ) as nodes
            group by place, label
        ) as ranked
        where position <= journey_flow.labels
    ),

    shown as (
        select
            links.step,
            coalesce(near.label, '(other)') as near,
            case when links.far in ('(exit)', '(entrance)') then links.far else coalesce(far.label, '(other)') end
                as far,
            sum(links.sessions) as sessions
        from links
        left join frequent as near on links.step = near.place and links.near = near.label
        left join frequent as far on links.step + 1 = far.place and links.far = far.label
        group by 1, 2, 3
    )

    select
        shown.step,
        case journey_flow.direction when 'forward' then near else far end,
        case journey_flow.direction when 'forward' then far else near end,
        case journey_flow.direction
            when 'forward' then shown.step || ' ' || near else -shown.step || ' ' || far
        end,
        case journey_flow.direction
            when 'forward' then shown.step + 1 || ' ' || far else 1 - shown.step || ' ' || near
        end,
        shown.sessions::bigint,
        (shown.sessions / sum(shown.sessions) over (partition by shown.step))::double precision,
        (shown.sessions / sum(shown.sessions) filter (where shown.step = 1) over ())::double precision
    from shown
    order by shown.step, shown.sessions desc, near, far
$$;

create table clickstream.user_weeks (
    user_id text not null,
    week date not null check (extract(isodow from week) = 1),
    cohort_week date not null check (cohort_week <= week),
    primary key (user_id, week)
);
create index user_weeks_week on clickstream.user_weeks (week, cohort_week);

-- The weeks whose retention a run must count again, because rows of user_weeks came, went or changed.
create table clickstream.retention_weeks (
    week date primary key,
    run_id text not null
);

create table clickstream.retention_weekly (
    cohort_week date not null,
    week date not null,
    weeks_later smallint not null generated always as ((week - cohort_week) / 7) stored,
    users bigint not null check (users > 0),
    cohort_users bigint not null,
    share double precision generated always as (users::double precision / nullif(cohort_users, 0)) stored,
    primary key (cohort_week, week)
);

create table clickstream.session_sizes_daily (
    day date not null,
    measure text not null check (measure in ('seconds', 'page_views')),
    bucket smallint not null,
    label text not null,
    sessions bigint not null check (sessions > 0),
    engaged bigint not null check (engaged between 0 and sessions),
    converted bigint not null check (converted between 0 and sessions),
    primary key (day, measure, bucket)
);

create table clickstream.bots_daily (
    day date not null,
    kind text not null,
    sessions bigint not null check (sessions > 0),
    users bigint not null check (users between 1 and sessions),
    events bigint not null check (events >= sessions),
    share_of_sessions double precision not null check (share_of_sessions between 0 and 1),
    share_of_events double precision not null check (share_of_events between 0 and 1),
    primary key (day, kind)
);

create table clickstream.late_hourly (
    hour timestamptz primary key,
    read bigint not null,
    accepted bigint not null check (accepted between 0 and read),
    history bigint not null check (history between 0 and accepted),
    late bigint not null check (late between 0 and accepted - history),
    sessions_touched bigint not null check (sessions_touched >= 0),
    sessions_reopened bigint not null check (sessions_reopened between 0 and sessions_touched),
    sessions_joined bigint not null check (sessions_joined >= 0),
    late_share double precision generated always as (late::double precision / nullif(accepted - history, 0)) stored
);

-- What was stored before is built by the next run.
insert into clickstream.changed_hours (hour)
select date_trunc('hour', minute, 'UTC') from clickstream.traffic_minute
union
select date_trunc('hour', started_at, 'UTC') from clickstream.sessions
union
select date_trunc('hour', last_kafka_time, 'UTC') from clickstream.stream_slices;
