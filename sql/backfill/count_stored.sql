-- How many events of a UTC date are stored, and how many ids of such. Parameters: day (date), since, until
-- (timestamptz: its midnights). Grain: one row.
select
    (
        select count(*) from clickstream.events
        where event_time >= %(since)s and event_time < %(until)s
    ) as events,
    (
        select count(*) from clickstream.event_ids
        where event_date = %(day)s
    ) as ids
