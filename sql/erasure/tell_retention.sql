-- The weeks whose retention counts a user, for clickstream_models to count again. Parameters: user_id.
-- A week that a run has claimed is taken from it: the run would forget it at its end, and may have counted already.
insert into clickstream.retention_weeks (week, run_id)
select distinct
    week,
    'erasure'
from clickstream.user_weeks
where user_id = %(user_id)s
on conflict (week) do update set run_id = excluded.run_id
