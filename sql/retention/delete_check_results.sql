-- Forget the results of checks that were made before a UTC date. Parameters: before (date).
delete from clickstream.check_results
where checked_at < %(before)s::timestamp at time zone 'UTC'
