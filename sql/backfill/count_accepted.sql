-- How many events of a UTC date the stream accepted between two offset vectors. Parameters: day (date), since, until
-- (json: offset by partition). Grain: one row.
select count(*)
from clickstream.event_ids
where
    event_date = %(day)s
    and kafka_offset >= coalesce((%(since)s::jsonb ->> partition::text)::bigint, 0)
    and kafka_offset < (%(until)s::jsonb ->> partition::text)::bigint
