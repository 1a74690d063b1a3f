-- Delete events before the horizon that have no partition of their own date. Parameters: horizon (date).
delete from clickstream.events_old
where event_time < %(horizon)s::timestamp at time zone 'UTC'
