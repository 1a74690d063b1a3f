-- Keep what differed, of a run and table at most 10,000 rows, and of each only the columns that differ.
-- Parameters: run, table; reads changed_rows, the transaction's own table of differing rows.
insert into clickstream.backfill_diffs (run, table_name, key, stored, recomputed)
select
    %(run)s,
    %(table)s,
    changed.key,
    case
        when changed.recomputed is null then changed.stored
        else (
            select jsonb_object_agg(was.key, was.value)
            from jsonb_each(changed.stored) as was
            where changed.recomputed -> was.key is distinct from was.value
        )
    end,
    case
        when changed.stored is null then changed.recomputed
        else (
            select jsonb_object_agg(now.key, now.value)
            from jsonb_each(changed.recomputed) as now
            where changed.stored -> now.key is distinct from now.value
        )
    end
from pg_temp.changed_rows as changed
order by changed.key
limit 10000
