-- How many of the people who first came in a week came again in later weeks: counts of user_weeks.
-- Parameters: run_id (text).
-- Grain: one row for each ISO week in which users first came (cohort_week) and each week in which some of them came.
-- Usage: clickstream_models, after user_weeks/query.sql; one transaction. Builds the weeks of retention_weeks.
-- Idempotent.
select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

delete from clickstream.retention_weekly as stored
using clickstream.retention_weeks as changed
where changed.run_id = %(run_id)s and stored.week = changed.week;

insert into clickstream.retention_weekly (cohort_week, week, users, cohort_users)
select
    weeks.cohort_week,
    weeks.week,
    count(*),
    0
from clickstream.retention_weeks as changed
inner join clickstream.user_weeks as weeks using (week)
where changed.run_id = %(run_id)s
group by weeks.cohort_week, weeks.week;

update clickstream.retention_weekly as stored set cohort_users = first.users
from clickstream.retention_weekly as first
where
    first.cohort_week = stored.cohort_week
    and first.week = first.cohort_week
    and first.users <> stored.cohort_users;

select
    count(*) as rows,
    count(distinct week) as weeks
from clickstream.retention_weekly
inner join clickstream.retention_weeks using (week)
where run_id = %(run_id)s;
