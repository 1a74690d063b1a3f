-- Tables with many rows that are dead but not yet cleared away. Parameters: dead (rows at least), share (of the live
-- ones at least). Grain: one row a table.
select
    relname as table_name,
    n_live_tup as live,
    n_dead_tup as dead
from pg_stat_user_tables
where schemaname = 'clickstream' and n_dead_tup >= %(dead)s and n_dead_tup >= %(share)s * n_live_tup
order by n_dead_tup desc
