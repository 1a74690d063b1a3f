-- A run begins. Parameters: operation (text), dry_run (boolean). Grain: one row.
insert into clickstream.maintenance_runs (operation, dry_run)
values (%(operation)s, %(dry_run)s)
returning run
