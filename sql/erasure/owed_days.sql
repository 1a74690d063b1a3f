-- The days that runs of a user have not recomputed yet. Parameters: user_hash. Grain: one row a day.
select distinct owed.day
from clickstream.erasures
cross join lateral unnest(erasures.days) as owed (day)
where erasures.user_hash = %(user_hash)s and erasures.finished_at is null
order by owed.day
