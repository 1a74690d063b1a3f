-- Dead letters whose bytes name a user. Parameters: user_id. Grain: one row a letter.
select
    topic,
    partition,
    kafka_offset,
    payload
from clickstream.dead_letters
where position(convert_to(%(user_id)s, 'UTF8') in payload) > 0
