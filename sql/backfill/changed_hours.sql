-- Tell the models that a day changed. Parameters: since, until (timestamptz). Grain: one row an hour.
insert into clickstream.changed_hours (hour)
select hour
from generate_series(%(since)s::timestamptz, %(until)s::timestamptz - interval '1 hour', interval '1 hour') as hour
