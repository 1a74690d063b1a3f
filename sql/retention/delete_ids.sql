-- Forget the ids of events of UTC dates before the horizon. Parameters: horizon (date).
delete from clickstream.event_ids
where event_date < %(horizon)s
