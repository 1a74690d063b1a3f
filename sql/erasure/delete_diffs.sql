-- Forget what backfills noted of a user's rows; before the events go.
-- Parameters: user_id; session_ids (text[]): those that a session of the user has or may have had.
-- A row that was there before and after holds the columns that differ; whose it was tells only its key.
delete from clickstream.backfill_diffs
where
    stored ->> 'user_id' = %(user_id)s
    or recomputed ->> 'user_id' = %(user_id)s
    or key ->> 'session_id' in (select unnest(%(session_ids)s::text[]))
    or key ->> 'event_id' in (
        select event_id::text from clickstream.events
        where user_id = %(user_id)s
    )
