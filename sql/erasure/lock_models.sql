-- Hold the models off until this transaction ends: a build that has read the user already would write them back.
-- Parameters: none. The locks are those of sql/models; a build holds one of them, never both.
select pg_advisory_xact_lock(hashtextextended('clickstream.models', 0));

select pg_advisory_xact_lock('clickstream.funnel_users'::regclass::oid::bigint);
