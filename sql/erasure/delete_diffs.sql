-- Forget what backfills noted of a user's rows. Parameters: user_id.
delete from clickstream.backfill_diffs
where stored ->> 'user_id' = %(user_id)s or recomputed ->> 'user_id' = %(user_id)s
