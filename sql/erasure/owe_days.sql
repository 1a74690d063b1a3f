-- The days that a run must recompute, kept with it for the run after a kill. Parameters: erasure, days (date[]).
update clickstream.erasures set days = %(days)s
where erasure = %(erasure)s
