-- Tell the models whose sessions changed. Parameters: day (date); reads changed_rows.
insert into clickstream.model_changes (user_id, day)
select distinct
    coalesce(recomputed ->> 'user_id', stored ->> 'user_id'),
    %(day)s::date
from pg_temp.changed_rows
