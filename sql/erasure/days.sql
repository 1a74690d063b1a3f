-- The UTC days on which a user has events. Parameters: user_id. Grain: one row a day.
select distinct (event_time at time zone 'utc')::date as day
from clickstream.events
where user_id = %(user_id)s
order by day
