-- Forget the ids of a user's events. Parameters: user_id.
delete from clickstream.event_ids
using clickstream.events
where events.user_id = %(user_id)s and event_ids.event_id = events.event_id
