-- Funnels as sql/funnels.yaml declares them: who got how far, the counts, the times, the alerts; and the matching.
-- depends: 0005.sessions_complete
-- Run by: clickstream db migrate (role clickstream_owner).

-- Both are made from events; the claim at the end lets the next run of clickstream_models make them again.
drop table clickstream.funnel_users, clickstream.funnel_steps;

-- One row for each funnel, UTC day of the entry and user (or session): the list that the counts of funnel_steps count.
create table clickstream.funnel_users (
    funnel text not null,
    day date not null,
    scope_id text not null,
    user_id text not null,
    entered_at timestamptz not null,
    reached smallint not null,
    step_at timestamptz[] not null,
    breakdown jsonb not null,
    primary key (funnel, day, scope_id),
    check (reached >= 1 and reached = cardinality(step_at)),
    check (entered_at <= step_at[1])
);
create index funnel_users_user on clickstream.funnel_users (user_id, day);

-- Breakdown '(all)' is the total of a day. Step 1 has no share of the previous one, nor has a step after one with 0
-- users; times are null where nobody got so far.
create table clickstream.funnel_steps (
    funnel text not null,
    day date not null,
    breakdown text not null,
    value text not null,
    step smallint not null check (step >= 1),
    step_name text not null,
    users bigint not null check (users >= 0),
    share_of_previous double precision check (share_of_previous between 0 and 1),
    share_of_first double precision check (share_of_first between 0 and 1),
    previous_p25_seconds double precision,
    previous_median_seconds double precision,
    previous_p75_seconds double precision,
    previous_p90_seconds double precision,
    first_p25_seconds double precision,
    first_median_seconds double precision,
    first_p75_seconds double precision,
    first_p90_seconds double precision,
    primary key (funnel, day, breakdown, value, step)
);

-- Times to convert as a histogram of fixed classes, so that days add up.
create table clickstream.funnel_times (
    funnel text not null,
    day date not null,
    at_least interval not null,
    below interval not null,
    users bigint not null check (users > 0),
    primary key (funnel, day, at_least)
);

-- Step rates that were judged: the detector of each rule, and where it stands.
create table clickstream.funnel_alert_state (
    metric text primary key,
    judged_until timestamptz not null,
    detector jsonb not null
);

-- Alerts that a webhook is to hear of, once each; `delivered_at` is set when it answered.
create table clickstream.funnel_alerts (
    metric text not null,
    period timestamptz not null,
    webhook text not null,
    message jsonb not null,
    delivered_at timestamptz,
    primary key (metric, period)
);

-- Funnels find a user's events by this index; it replaces the one of the first funnel. Page views, clicks and scrolls
-- are left out: they are most of the events, and each entry costs the stream.
drop index clickstream.events_funnel;
create index events_funnel on clickstream.events (user_id, event_time)
where bot is null and event_type in (
    'search', 'view_item', 'add_to_cart', 'remove_from_cart', 'begin_checkout', 'add_payment_info', 'purchase',
    'sign_up', 'login'
);

-- Sessions whose events no funnel counts.
create index sessions_left_out on clickstream.sessions (user_id, started_at) where bot is not null or quarantined;

-- Of the events of one moment, fill what follows the last step of `chain` in order, as far as they go; each event fills
-- one step. marks as in match_funnel; the moment is marks[first_event] to marks[last_event].
-- The events are taken one by one, keeping every largest set of steps that those so far can fill: a set that can be
-- filled is part of one of these, so the longest run from the next step on is found whatever the events' order.
create function clickstream.fill_moment(
    marks integer[], first_event integer, last_event integer, steps integer, chain integer[]
) returns integer[]
language plpgsql immutable parallel safe as $$
declare
    later constant integer := ((1 << steps) - 1) & ~((1 << cardinality(chain)) - 1);
    filled integer[] := '{0}';
    more integer[];
    run integer := 0;
begin
    for event in first_event..last_event loop
        continue when marks[event] & later = 0 or event = any(chain);
        more := array(
            select distinct done | (1 << step)
            from unnest(filled) as done, generate_series(cardinality(chain), steps - 1) as step
            where marks[event] & (1 << step) <> 0 and done & (1 << step) = 0
        );
        if cardinality(more) > 0 then
            filled := more;
        end if;
    end loop;
    for step in cardinality(chain)..steps - 1 loop
        run := run | (1 << step);
        exit when not exists (select from unnest(filled) as done where done & run = run);
        chain := chain || (
            select event
            from generate_series(first_event, last_event) as event
            where marks[event] & (1 << step) <> 0
            order by event = any(chain), event
            limit 1
        );
    end loop;
    return chain;
end $$;

-- The steps of order `any` from a start: the events, in time, that each let one step more be done by different events.
-- Parameters as in match_funnel; here: the start's moment. Keeps every largest set of steps, as fill_moment does.
create function clickstream.match_any(
    times timestamptz[],
    marks integer[],
    steps integer,
    strict_ties boolean,
    deadline timestamptz,
    first_of integer[],
    next_moment integer[],
    start_event integer,
    here integer
) returns integer[]
language plpgsql immutable parallel safe as $$
declare
    all_steps constant integer := (1 << steps) - 1;
    width constant integer := steps + 2;
    chain integer[] := array[start_event];
    filled integer[];
    more integer[];
    can integer;
    in_all integer;
    following integer;
    moment integer := here;
begin
    filled := array(
        select 1 << step from generate_series(0, steps - 1) as step where marks[start_event] & (1 << step) <> 0
    );
    loop
        for event in first_of[moment]..first_of[moment + 1] - 1 loop
            exit when strict_ties and moment = here;
            can := marks[event] & all_steps;
            continue when can = 0 or event = start_event or cardinality(filled) = 1 and can & ~filled[1] = 0;
            if strict_ties then -- one of the moment, whichever
                can := all_steps & (
                    select bit_or(mark) from unnest(marks[event:first_of[moment + 1] - 1]) as mark
                );
            end if;
            more := array(
                select distinct done | (1 << step)
                from unnest(filled) as done, generate_series(0, steps - 1) as step
                where can & (1 << step) <> 0 and done & (1 << step) = 0
            );
            if cardinality(more) > 0 then
                filled := more;
                chain := chain || event;
                exit when strict_ties;
            end if;
        end loop;
        exit when cardinality(chain) = steps;
        in_all := (select bit_and(done) from unnest(filled) as done);
        following := null;
        for step in 0..steps - 1 loop
            if in_all & (1 << step) = 0 and next_moment[(moment - 1) * width + step + 1] <> 0 then
                following := least(following, next_moment[(moment - 1) * width + step + 1]);
            end if;
        end loop;
        exit when following is null or times[first_of[following]] > deadline;
        moment := following;
    end loop;
    return chain;
end $$;

-- The steps of order `strict`, from `chain` on: fill what the events of `moment` can, then go on at the next moment
-- that has an event considered. Parameters as in match_funnel; crowded: moments with more than one event considered;
-- at_least: how many steps the moment must fill (the start's own may fill none). Filling fewer steps at a moment than
-- it could may lead further when a step is repeated; so each number is tried, the most first.
create function clickstream.match_strict(
    times timestamptz[],
    marks integer[],
    steps integer,
    strict_ties boolean,
    deadline timestamptz,
    first_of integer[],
    kinds integer[],
    crowded boolean[],
    next_moment integer[],
    chain integer[],
    moment integer,
    at_least integer
) returns integer[]
language plpgsql immutable parallel safe as $$
declare
    done constant integer := cardinality(chain);
    following constant integer := next_moment[(moment - 1) * (steps + 2) + steps + 1];
    filled integer[] := chain;
    trial integer[];
    best integer[];
begin
    if not strict_ties and first_of[moment + 1] - first_of[moment] > 1 then
        filled := clickstream.fill_moment(marks, first_of[moment], first_of[moment + 1] - 1, steps, chain);
    elsif at_least = 1 then
        for event in first_of[moment]..first_of[moment + 1] - 1 loop
            if (marks[event] >> done) & 1 = 1 then
                filled := chain || event;
                exit;
            end if;
        end loop;
    end if;
    for length in reverse cardinality(filled)..done + at_least loop
        trial := filled[1:length];
        if
            length < steps
            and following <> 0
            and (kinds[following] >> length) & 1 = 1
            and times[first_of[following]] <= deadline
            and not (strict_ties and (crowded[moment] or crowded[following]))
        then
            trial := clickstream.match_strict(
                times, marks, steps, strict_ties, deadline, first_of, kinds, crowded, next_moment, trial, following, 1
            );
        end if;
        if best is null or cardinality(trial) > cardinality(best) then
            best := trial;
        end if;
        exit when cardinality(best) = steps;
    end loop;
    return best;
end $$;

-- Whether an excluded event lies between two steps of a chain; with strict ties also at the time of one of the two.
-- Parameters as in match_funnel; moment_of: event -> its moment.
create function clickstream.is_spoilt(
    marks integer[],
    steps integer,
    strict_ties boolean,
    moment_of integer[],
    first_of integer[],
    next_moment integer[],
    chain integer[]
) returns boolean
language plpgsql immutable parallel safe as $$
declare
    moment integer;
begin
    for k in 1..cardinality(chain) - 1 loop
        moment := moment_of[chain[k]];
        if not strict_ties then
            moment := next_moment[(moment - 1) * (steps + 2) + steps + 2];
        end if;
        while moment <> 0 and moment < moment_of[chain[k + 1]] + strict_ties::integer loop
            for event in first_of[moment]..first_of[moment + 1] - 1 loop
                if (marks[event] >> (14 + k)) & 1 = 1 and event <> chain[k] and event <> chain[k + 1] then
                    return true;
                end if;
            end loop;
            moment := next_moment[(moment - 1) * (steps + 2) + steps + 2];
        end loop;
    end loop;
    return false;
end $$;

-- Which event fills which step, for one user or session.
--
-- times, marks: its events in order (event_time, event_id). Bit k - 1 of a mark: the event can fill step k; bit 14 + k:
-- it is excluded between step k and k + 1; bit 30: order `strict` considers it. seen: all marks
-- in one. Steps: 1 to 12.
-- step_order: ordered, strict, any. strict_ties: equal times count against the funnel. within: from the first step,
-- inclusive; null: no end. same_day: until the end of the first step's UTC day. Starts outside the days are left out.
-- Gives one row for each UTC day with an entry: its day, the position of the entry, and the positions of the events
-- that fill step 1, 2, ... from the best start of the day: the furthest, the earliest of them. A start with an excluded
-- event between two of its steps does not count; a day without another has no row.
--
-- Times are looked at as moments: groups of equal times. From a moment at which k steps are done only the next moment
-- that can fill step k + 1 matters; `next_moment` has it, so that the work grows with the events and not their square.
create function clickstream.match_funnel(
    times timestamptz[],
    marks integer[],
    seen integer,
    steps integer,
    step_order text,
    strict_ties boolean,
    within interval,
    same_day boolean,
    first_day date,
    last_day date
) returns table (day date, entry integer, events integer[])
language plpgsql stable parallel safe as $$
declare
    all_steps constant integer := (1 << steps) - 1;
    start_steps constant integer := case when step_order = 'any' then all_steps else 1 end;
    exclusions constant integer := ((1 << 30) - 1) & ~((1 << 15) - 1);
    considered constant integer := 1 << 30;
    plain constant boolean := seen & (considered | exclusions) = 0;
    width constant integer := steps + 2; -- next moment of each step, of an event considered, of one excluded
    used constant integer := case when plain then steps else width end;
    moments integer := 0;
    moment_of integer[] := '{}'; -- event -> its moment
    first_of integer[] := '{}'; -- moment -> its first event
    kinds integer[] := '{}'; -- moment -> which of `width` its events are
    crowded boolean[] := '{}'; -- moment -> more than one event considered
    upcoming integer[];
    next_moment integer[];
    day_end timestamptz := '-infinity';
    deadline timestamptz;
    chain integer[];
    done integer;
    moment integer;
begin
    -- Most users never come to a second step.
    if seen & all_steps & ~1 <> 0 then
        for i in 1..cardinality(times) loop
            if i = 1 or times[i] <> times[i - 1] then
                moments := moments + 1;
                first_of[moments] := i;
                kinds[moments] := marks[i] & all_steps;
            else
                kinds[moments] := kinds[moments] | (marks[i] & all_steps);
            end if;
            moment_of[i] := moments;
            continue when plain;
            crowded[moments] := coalesce(crowded[moments], false);
            if marks[i] & considered <> 0 then
                crowded[moments] := kinds[moments] & (1 << steps) <> 0;
                kinds[moments] := kinds[moments] | (1 << steps);
            end if;
            if marks[i] & exclusions <> 0 then
                kinds[moments] := kinds[moments] | (2 << steps);
            end if;
        end loop;
        first_of[moments + 1] := cardinality(times) + 1;

        upcoming := array_fill(0, array[width]);
        next_moment := array_fill(0, array[moments * width]);
        for m in reverse moments..1 loop
            for j in 1..used loop
                next_moment[(m - 1) * width + j] := upcoming[j];
                if (kinds[m] >> (j - 1)) & 1 = 1 then
                    upcoming[j] := m;
                end if;
            end loop;
        end loop;
    end if;

    for i in 1..cardinality(times) loop
        continue when marks[i] & start_steps = 0;
        if times[i] >= day_end then
            if events is not null then
                return next;
            end if;
            day := (times[i] at time zone 'UTC')::date;
            day_end := (day + 1)::timestamp at time zone 'UTC';
            entry := i;
            events := null;
        end if;
        continue when day < first_day or day > last_day or cardinality(events) = steps;
        chain := array[i];
        if next_moment is null then
            events := coalesce(events, chain);
            continue;
        end if;

        deadline := case
            when same_day then day_end - interval '1 microsecond'
            else coalesce(times[i] + within, 'infinity')
        end;
        moment := moment_of[i];
        if step_order = 'any' then
            chain := clickstream.match_any(
                times, marks, steps, strict_ties, deadline, first_of, next_moment, i, moment
            );
        elsif step_order = 'strict' then
            chain := clickstream.match_strict(
                times, marks, steps, strict_ties, deadline, first_of, kinds, crowded, next_moment, chain, moment, 0
            );
        else
            if not strict_ties and first_of[moment + 1] - first_of[moment] > 1 then
                chain := clickstream.fill_moment(marks, first_of[moment], first_of[moment + 1] - 1, steps, chain);
            end if;
            loop
                done := cardinality(chain);
                exit when done = steps;
                moment := next_moment[(moment - 1) * width + done + 1];
                exit when moment = 0 or times[first_of[moment]] > deadline;
                if strict_ties or first_of[moment + 1] - first_of[moment] = 1 then
                    for event in first_of[moment]..first_of[moment + 1] - 1 loop
                        if (marks[event] >> done) & 1 = 1 then
                            chain := chain || event;
                            exit;
                        end if;
                    end loop;
                else
                    chain := clickstream.fill_moment(marks, first_of[moment], first_of[moment + 1] - 1, steps, chain);
                end if;
            end loop;
        end if;

        continue when cardinality(chain) <= cardinality(events);
        if seen & exclusions = 0 or not clickstream.is_spoilt(
            marks, steps, strict_ties, moment_of, first_of, next_moment, chain
        ) then
            events := chain;
        end if;
    end loop;
    if events is not null then
        return next;
    end if;
end $$;

-- What was built as the first funnel is built again by the next run of clickstream_models.
insert into clickstream.model_changes (user_id, day)
select
    sessions.user_id,
    days.day::date
from clickstream.sessions
cross join generate_series(
    date_trunc('day', sessions.started_at, 'UTC'), date_trunc('day', sessions.ended_at, 'UTC'), interval '1 day'
) as days (day);
