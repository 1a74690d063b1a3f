-- The weeks whose retention counts a user, for clickstream_models to count again. Parameters: user_id.
insert into clickstream.retention_weeks (week, run_id)
select distinct
    week,
    'erasure'
from clickstream.user_weeks
where user_id = %(user_id)s
on conflict do nothing
