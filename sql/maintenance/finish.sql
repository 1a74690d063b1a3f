-- A run is done. Parameters: run, counts (json).
update clickstream.maintenance_runs set
    finished_at = clock_timestamp(),
    counts = %(counts)s
where run = %(run)s
