-- The days whose funnels count a user, for clickstream_models to count again. Parameters: user_id.
-- A day that a run has claimed is taken from it: the run would forget it at its end, and may have counted already.
insert into clickstream.funnel_days (funnel, day, run_id)
select distinct
    funnel,
    day,
    'erasure'
from clickstream.funnel_users
where user_id = %(user_id)s
on conflict (funnel, day) do update set run_id = excluded.run_id
