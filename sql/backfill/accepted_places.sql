-- Where the accepted events of UTC dates lie. Parameters: days (date[]). Grain: one row an event, as CSV.
copy (
    select
        partition,
        kafka_offset
    from clickstream.event_ids
    where event_date = any(%(days)s)
) to stdout (format csv)
