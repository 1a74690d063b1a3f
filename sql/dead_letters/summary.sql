-- How many dead letters a filter names, by reason. Parameters: the filter, as in page.sql (the same conditions).
-- Grain: one row a reason, most frequent first.
select
    reason,
    count(*) as letters,
    count(replayed_at) as replayed,
    min(kafka_time) as first_time,
    max(kafka_time) as last_time
from clickstream.dead_letters
where
    (%(reasons)s::text[] is null or reason = any(%(reasons)s::text[]))
    and (%(since)s::timestamptz is null or kafka_time >= %(since)s::timestamptz)
    and (%(until)s::timestamptz is null or kafka_time < %(until)s::timestamptz)
    and (%(topic)s::text is null or topic = %(topic)s::text)
    and (%(partition)s::integer is null or partition = %(partition)s::integer)
    and (%(contains)s::text is null or strpos(lower(detail), lower(%(contains)s::text)) > 0)
    and (not %(pending)s::boolean or replayed_at is null)
group by reason
order by letters desc, reason asc
