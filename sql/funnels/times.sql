-- The histogram of the times to convert, over all days. Parameters: funnel (text).
-- Grain: one row a class, in order. Usage: clickstream funnel run.
select
    times.at_least::text as at_least,
    times.below::text as below,
    sum(times.users)::bigint as users
from funnel_times as times
where times.funnel = %(funnel)s
group by times.at_least, times.below
order by times.at_least
