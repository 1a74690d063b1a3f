-- UTC dates that changed since they were last backfilled, or never were: they got events, or one of their sessions went
-- on in a later day. Parameters: topic, before (date; later ones are not over yet), most (int). Grain: one row a date,
-- oldest first; behind them those whose last run was refused, so that they keep none of the others waiting.
with last_runs as (
    select distinct on (day)
        day,
        vector,
        swapped_at
    from clickstream.backfill_runs
    where topic = %(topic)s and swapped_at is not null
    order by day asc, run desc
),

refused as (
    select day
    from clickstream.backfill_runs
    where topic = %(topic)s
    group by day
    having max(run) > coalesce(max(run) filter (where swapped_at is not null), 0)
),

accepted as (
    select
        known.event_date,
        bool_or(known.kafka_offset >= coalesce((own.vector ->> known.partition::text)::bigint, 0)) as since_own_run,
        bool_or(
            known.kafka_offset >= (day_before.vector ->> known.partition::text)::bigint
        ) as since_run_of_day_before
    from clickstream.event_ids as known
    left join last_runs as own on known.event_date = own.day
    left join last_runs as day_before on known.event_date - 1 = day_before.day
    where
        known.event_date <= %(before)s
        and known.event_date >= (select clickstream.first_whole_day())
    group by known.event_date
),

went_on as (
    select last_runs.day
    from clickstream.sessions
    inner join last_runs on (sessions.started_at at time zone 'UTC')::date = last_runs.day
    left join accepted on last_runs.day + 1 = accepted.event_date
    where
        (sessions.ended_at at time zone 'UTC')::date > last_runs.day
        and (sessions.ended_at > last_runs.swapped_at or accepted.since_run_of_day_before)
),

changed as (
    select event_date as day
    from accepted
    where since_own_run
    union
    select day
    from went_on
)

select changed.day
from changed
left join refused on changed.day = refused.day
where changed.day < %(before)s and changed.day >= (select clickstream.first_whole_day())
order by refused.day is not null, changed.day
limit %(most)s
