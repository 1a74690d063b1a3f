-- The connection's own table in which the merged rows of stored sessions travel. Parameters: none.
-- A copy of the columns alone: `revenue` is generated where the rows end, and stays empty here.
create temporary table if not exists session_changes (
    like clickstream.sessions
) on commit delete rows
