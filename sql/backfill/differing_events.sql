-- The transaction's own table of staged events that differ from what is stored. Parameters: none.
create temporary table differing_events (
    like clickstream.backfill_events,
    stored jsonb
) on commit drop
