-- Dead letters whose bytes may name a user: as they are, or behind an escape of JSON. Parameters: user_id.
-- Grain: one row a letter.
select
    topic,
    partition,
    kafka_offset,
    payload
from clickstream.dead_letters
where
    position(convert_to(%(user_id)s, 'UTF8') in payload) > 0
    or position('\x5c'::bytea in payload) > 0
