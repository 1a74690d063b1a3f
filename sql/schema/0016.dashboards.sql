-- What the planner must know for the dashboards' questions to be answered within a second over millions of events.
-- depends: 0015.visits
-- Run by: clickstream db migrate (role clickstream_owner).

-- Datasets filter by words (include/superset, session_details): without these the planner takes one row in two hundred
-- for what are nearly all, and sorts them instead of hashing.
create statistics clickstream.visits_visitors on (case when is_bot then 'bots' else 'people' end)
from clickstream.visits;
create statistics clickstream.visits_visit on (case when is_new then 'new' else 'returning' end)
from clickstream.visits;
create statistics clickstream.visits_entry_page on (coalesce(entry_page, '(no page view)')) from clickstream.visits;
create statistics clickstream.visits_exit_page on (coalesce(exit_page, '(no page view)')) from clickstream.visits;
create statistics clickstream.visits_hour on (date_bin('1 hour', started_at, timestamptz '2000-01-01 00:00+00'))
from clickstream.visits;
create statistics clickstream.visits_day on (date_bin('1 day', started_at, timestamptz '2000-01-01 00:00+00'))
from clickstream.visits;
analyze clickstream.visits;

-- The list of who entered a funnel last.
create index funnel_users_entered on clickstream.funnel_users (funnel, entered_at);
