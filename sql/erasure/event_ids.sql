-- A user's events that are stored. Parameters: user_id. Grain: one row an event.
select event_id
from clickstream.events
where user_id = %(user_id)s
