-- Hold the stream, whichever topic it reads, and the models: what has begun ends first, what comes waits for this
-- transaction. Parameters: none. Waits at most five seconds for each, and so does what follows.
set local lock_timeout = '5s';

select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

select pg_advisory_xact_lock('clickstream.funnel_users'::regclass::oid::bigint);

lock table clickstream.stream_offsets in exclusive mode
