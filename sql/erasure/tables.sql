-- Tables that have rows of users. Parameters: none. Grain: one row a table, partitions left out.
select tables.relname
from pg_class as tables
inner join pg_attribute as columns on tables.oid = columns.attrelid and columns.attname = 'user_id'
where
    tables.relnamespace = 'clickstream'::regnamespace
    and tables.relkind in ('r', 'p')
    and not tables.relispartition
    and not columns.attisdropped
order by tables.relname
