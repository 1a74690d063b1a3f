-- A run is done, and with it the runs of the user that were killed.
-- Parameters: erasure, user_hash, dry (boolean), counts (json).
update clickstream.erasures set
    finished_at = clock_timestamp(),
    counts = case when erasure = %(erasure)s then %(counts)s::jsonb else counts end
where
    erasure = %(erasure)s
    or (not %(dry)s and user_hash = %(user_hash)s and finished_at is null)
