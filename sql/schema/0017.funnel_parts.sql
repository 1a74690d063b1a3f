-- Under what an entry of a funnel is counted: one rule for the build of the counts, for those over a range of days and
-- for the check that holds them against the list.
-- depends: 0016.dashboards
-- Run by: clickstream db migrate (role clickstream_owner).

-- All together, and by each thing that its funnel is broken down by. Parameters: parts, as funnel_users.breakdown.
-- A plain query, so that it is planned as part of the one that asks.
create function clickstream.breakdown_parts(parts jsonb) returns table (breakdown text, value text)
language sql immutable parallel safe as $$
    select
        '(all)',
        '(all)'
    union all
    select
        key,
        value
    from jsonb_each_text(parts)
$$;
