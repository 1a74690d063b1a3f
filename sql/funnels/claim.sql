-- Every user of the loaded events is to be built. Parameters: run_id (text). Usage: clickstream funnel run.
analyze events, sessions;

insert into model_users (user_id, first_day, last_day, run_id)
select
    user_id,
    min((event_time at time zone 'UTC')::date),
    max((event_time at time zone 'UTC')::date),
    %(run_id)s
from events
group by user_id;
