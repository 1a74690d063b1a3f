-- What is stored of a funnel that is declared no more, or otherwise, goes; for one that is new or declared otherwise
-- every user is to be built.
-- Parameters: funnels (jsonb: for each declared name what its models bind).
-- Grain: one row of clickstream.funnels for each declared funnel. Idempotent.
-- Usage: clickstream_models, in the transaction of scope/claim.sql and before it.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

select pg_advisory_xact_lock('clickstream.funnel_users'::regclass::oid::bigint);

with gone as (
    delete from clickstream.funnels as known
    where
        not exists (
            select from jsonb_each(%(funnels)s::jsonb) as declared
            where declared.key = known.funnel and declared.value = known.declaration
        )
    returning funnel
),

users as (
    delete from clickstream.funnel_users as stored
    using gone
    where stored.funnel = gone.funnel
),

steps as (
    delete from clickstream.funnel_steps as stored
    using gone
    where stored.funnel = gone.funnel
)

delete from clickstream.funnel_times as stored
using gone
where stored.funnel = gone.funnel;

with come as (
    insert into clickstream.funnels (funnel, declaration)
    select
        key,
        value
    from jsonb_each(%(funnels)s::jsonb)
    on conflict (funnel) do nothing
    returning funnel
)

insert into clickstream.model_changes (user_id, day)
select
    sessions.user_id,
    days.day::date
from clickstream.sessions
cross join
    generate_series(
        date_trunc('day', sessions.started_at), date_trunc('day', sessions.ended_at), interval '1 day'
    ) as days (day)
where exists (select from come);
