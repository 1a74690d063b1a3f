-- Only forwards. Parameters: horizon (date).
insert into clickstream.retention as stored (horizon)
values (%(horizon)s)
on conflict (is_only) do update set horizon = greatest(stored.horizon, excluded.horizon)
