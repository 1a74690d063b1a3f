-- All that the stream finds: more of a session, its journeys, what late events did to it, what is odd about it.
-- depends: 0004.sessions_in_place
-- Run by: clickstream db migrate (role clickstream_owner).
-- Rows from before keep the values of these defaults until their day is backfilled.

alter table clickstream.events
add column page_group text not null default 'Other',
add column product_id text,
add column category text;

alter table clickstream.page_minute add column page_group text not null default 'Other';

alter table clickstream.sessions
add column clicks integer not null default 0,
add column scrolls integer not null default 0,
add column cart_removals integer not null default 0,
add column payment_infos integer not null default 0,
add column logins integer not null default 0,
add column first_search_at timestamptz,
add column first_item_view_at timestamptz,
add column first_cart_add_at timestamptz,
add column first_checkout_at timestamptz,
add column first_payment_info_at timestamptz,
add column first_purchase_at timestamptz,
add column first_sign_up_at timestamptz,
-- the first event's: GA4's words, (direct) and (none) where nothing is known
add column source text not null default '(not set)',
add column medium text not null default '(not set)',
add column campaign text,
add column channel text not null default 'Unassigned',
add column os text not null default 'other',
add column browser_version text,
-- the client's own session ids, smallest and largest: where they differ, the client cut what is one session here
add column client_session_min text,
add column client_session_max text;

-- Which page led to which, by UTC day of the session's start and step; people only. The fold adds differences, so a
-- link may be left with 0 sessions.
create table clickstream.journey_links (
    day date not null,
    step smallint not null,
    source text not null,
    target text not null,
    sessions bigint not null,
    primary key (day, step, source, target)
) with (fillfactor = 70);

-- What late events did: one row for each slice and session that got some. Sessions may have merged since.
create table clickstream.session_arrivals (
    session_id uuid not null,
    user_id text not null,
    kafka_time timestamptz not null,
    late_events integer not null,
    reopened boolean not null,
    joined smallint not null
);
create index session_arrivals_kafka_time on clickstream.session_arrivals using brin (kafka_time);
create index session_arrivals_user on clickstream.session_arrivals (user_id);

-- Sessions that no person makes, or that somebody should look at. They follow the session's row.
create table clickstream.session_anomalies (
    session_id uuid not null,
    kind text not null,
    user_id text not null,
    started_at timestamptz not null,
    value double precision not null,
    expected double precision not null,
    lower_bound double precision not null,
    upper_bound double precision not null,
    score double precision not null,
    reason text not null,
    primary key (session_id, kind)
);
create index session_anomalies_started_at on clickstream.session_anomalies (started_at);
