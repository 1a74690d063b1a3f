-- How many events of some users are stored that the stream accepted below an offset vector. Parameters: users (text[]),
-- since, until (timestamptz), vector (json: offset by partition). Grain: one row.
select count(*)
from clickstream.events as stored
inner join clickstream.event_ids as known on stored.event_id = known.event_id
where
    stored.event_time >= %(since)s
    and stored.event_time < %(until)s
    and stored.user_id = any(%(users)s)
    and known.kafka_offset < (%(vector)s::jsonb ->> known.partition::text)::bigint
