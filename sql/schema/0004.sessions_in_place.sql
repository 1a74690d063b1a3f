-- A slice extends its sessions in place (fold/extend_sessions.sql): with room on the page for the new version, nine of
-- ten updates touch no index.
-- depends: 0003.dead_letters
alter table clickstream.sessions set (fillfactor = 60);
