-- How many pages PostgreSQL found in its cache and how many it had to read. Parameters: none. Grain: one row.
select
    blks_hit as hit,
    blks_read as read
from pg_stat_database
where datname = current_database()
