-- One page of the dead letters that a filter names, newest first; the next page starts behind this one's last row.
-- Parameters: the filter (reasons text[], since, until timestamptz, topic, partition, contains, each null for all;
-- pending: only those not replayed), the row to start behind (kafka_time, its topic, partition and offset),
-- page_rows and page_bytes (a page ends with the payload that reaches this sum). Grain: one row a dead letter.
with found as (
    select
        topic,
        partition,
        kafka_offset,
        kafka_time,
        reason,
        detail,
        payload,
        created_at,
        replayed_at,
        replayed_event_id
    from clickstream.dead_letters
    where
        (kafka_time, topic, partition, kafka_offset)
        < (%(last_time)s::timestamptz, %(last_topic)s::text, %(last_partition)s::integer, %(last_offset)s::bigint)
        and (%(reasons)s::text[] is null or reason = any(%(reasons)s::text[]))
        and (%(since)s::timestamptz is null or kafka_time >= %(since)s::timestamptz)
        and (%(until)s::timestamptz is null or kafka_time < %(until)s::timestamptz)
        and (%(topic)s::text is null or topic = %(topic)s::text)
        and (%(partition)s::integer is null or partition = %(partition)s::integer)
        and (%(contains)s::text is null or strpos(lower(detail), lower(%(contains)s::text)) > 0)
        and (not %(pending)s::boolean or replayed_at is null)
    order by kafka_time desc, topic desc, partition desc, kafka_offset desc
    limit %(page_rows)s::integer
),

measured as (
    select
        *,
        coalesce(sum(octet_length(payload)) over (
            order by kafka_time desc, topic desc, partition desc, kafka_offset desc
            rows between unbounded preceding and 1 preceding
        ), 0) as bytes_before
    from found
)

select
    topic,
    partition,
    kafka_offset,
    kafka_time,
    reason,
    detail,
    payload,
    created_at,
    replayed_at,
    replayed_event_id
from measured
where bytes_before < %(page_bytes)s::bigint
order by kafka_time desc, topic desc, partition desc, kafka_offset desc
