-- How many events came late, and what they did to sessions that were stored before.
-- Parameters: run_id (text).
-- Grain: one row for each UTC hour of arrival: of the last Kafka time of a slice, of that of a session's late events.
-- Semantics: late is more than 5 minutes after the event; events of a backfill or a replay are history and never late.
-- Usage: clickstream_models, after scope/claim.sql; one transaction. Builds the hours of model_hours. Idempotent.
set local time zone 'UTC';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

delete from clickstream.late_hourly as stored
using clickstream.model_hours as changed
where changed.run_id = %(run_id)s and stored.hour = changed.hour;

insert into clickstream.late_hourly (
    hour, read, accepted, history, late, sessions_touched, sessions_reopened, sessions_joined
)
with applied as (
    select
        changed.hour,
        sum(slices.read) as read,
        sum(slices.accepted) as accepted,
        sum(slices.history) as history,
        sum(slices.late) as late
    from clickstream.model_hours as changed
    inner join clickstream.stream_slices as slices
        on changed.hour <= slices.last_kafka_time and changed.hour + interval '1 hour' > slices.last_kafka_time
    where changed.run_id = %(run_id)s
    group by changed.hour
),

arrived as (
    select
        changed.hour,
        count(*) as touched,
        count(*) filter (where arrivals.reopened) as reopened,
        sum(arrivals.joined) as joined
    from clickstream.model_hours as changed
    inner join clickstream.session_arrivals as arrivals
        on changed.hour <= arrivals.kafka_time and changed.hour + interval '1 hour' > arrivals.kafka_time
    where changed.run_id = %(run_id)s
    group by changed.hour
)

select
    hour,
    coalesce(applied.read, 0),
    coalesce(applied.accepted, 0),
    coalesce(applied.history, 0),
    coalesce(applied.late, 0),
    coalesce(arrived.touched, 0),
    coalesce(arrived.reopened, 0),
    coalesce(arrived.joined, 0)
from applied
full join arrived using (hour);

select
    sum(accepted) as accepted,
    sum(late) as late,
    sum(sessions_reopened) as reopened
from clickstream.late_hourly
inner join clickstream.model_hours using (hour)
where run_id = %(run_id)s;
