-- What the SQL models read and write (sql/models, DAG clickstream_models).
-- depends: 0001.stream
-- Run by: clickstream db migrate (role clickstream_owner).

-- What changed since the models were last built: one row for each user and UTC event date of the events that a slice
-- accepted, appended in the slice's own transaction by COPY of the distinct pairs: no key, no conflict, nothing to
-- wait for. clickstream_models takes the rows away in a transaction that starts before it
-- reads the events, so a slice that commits in between leaves its rows for the next run.
create table clickstream.model_changes (
    user_id text not null,
    day date not null
);

-- The users that a run of clickstream_models builds, and between which dates their events changed. Rows stay until
-- a run has built and checked them; a run that fails leaves them to the next, which takes them over.
create table clickstream.model_users (
    user_id text primary key,
    first_day date not null,
    last_day date not null,
    run_id text not null,
    check (first_day <= last_day)
);

-- The days whose funnel_steps a run must build again, because rows of funnel_users came or went.
create table clickstream.funnel_days (
    funnel text not null,
    day date not null,
    run_id text not null,
    primary key (funnel, day)
);

-- One row for each funnel, UTC day of step 1 and user: the list that the counts of funnel_steps count.
create table clickstream.funnel_users (
    funnel text not null,
    day date not null,
    user_id text not null,
    device text not null,
    entered_at timestamptz not null,
    reached smallint not null,
    step_at timestamptz[] not null,
    primary key (funnel, day, user_id),
    check (reached >= 1 and reached = cardinality(step_at)),
    check (entered_at <= step_at[1])
);
create index funnel_users_user on clickstream.funnel_users (user_id, day);

-- Device '(all)' is the total of a day. Step 1 has no share of the previous one, nor has a step after one with 0 users.
create table clickstream.funnel_steps (
    funnel text not null,
    day date not null,
    device text not null,
    step smallint not null check (step >= 1),
    step_name text not null,
    users bigint not null check (users >= 0),
    share_of_previous double precision check (share_of_previous between 0 and 1),
    share_of_first double precision check (share_of_first between 0 and 1),
    primary key (funnel, day, device, step)
);

-- Every offset accounted for: the sums of the slices of each partition, carried forward run by run, so that their
-- cost does not grow with history. Offsets that no slice covers, or that two cover, show as a difference.
create table clickstream.reconciliation (
    topic text not null,
    partition integer not null,
    first_offset bigint not null,
    next_offset bigint not null,
    slices bigint not null,
    read bigint not null,
    accepted bigint not null,
    duplicate bigint not null,
    rejected bigint not null,
    agrees boolean not null generated always as (
        next_offset - first_offset = read and read = accepted + duplicate + rejected
    ) stored,
    updated_at timestamptz not null default now(),
    primary key (topic, partition)
);

-- What was checked for a data interval and how it came out; `fail` stops the run, `warn` is reported.
create table clickstream.check_results (
    check_name text not null,
    interval_end timestamptz not null,
    severity text not null check (severity in ('fail', 'warn')),
    passed boolean not null,
    observed text not null,
    expected text not null,
    checked_at timestamptz not null default now(),
    primary key (check_name, interval_end)
);
create index check_results_interval_end on clickstream.check_results (interval_end);

-- The models find a user's funnel events by this index and an interval's events by the next one. Both are cheap for
-- the stream: about a fifth of the events are of these types, and BRIN keeps a row for many pages.
create index events_funnel on clickstream.events (user_id, event_time)
where bot is null and event_type in ('view_item', 'add_to_cart', 'begin_checkout', 'purchase');
create index events_event_time on clickstream.events using brin (event_time);
