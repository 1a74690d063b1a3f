-- Forget what other ways to cut sessions made of days that knew a user. Parameters: days (date[]).
delete from clickstream.session_policies
where day = any(%(days)s)
