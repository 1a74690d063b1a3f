-- Say of sessions that they behave as bots. Parameters: sessions (uuid[]), bots (text[], parallel).
update clickstream.sessions set bot = named.bot
from unnest(%(sessions)s::uuid[], %(bots)s::text[]) as named (session_id, bot)
where sessions.session_id = named.session_id
