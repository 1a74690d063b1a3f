-- The days whose funnels count a user, for clickstream_models to count again. Parameters: user_id.
insert into clickstream.funnel_days (funnel, day, run_id)
select distinct
    funnel,
    day,
    'erasure'
from clickstream.funnel_users
where user_id = %(user_id)s
on conflict do nothing
