-- Users who were erased on request: what clickstream_erase writes; the stream and the archive respect it.
-- depends: 0009.backfill
-- Run by: clickstream db migrate (role clickstream_owner).

-- A tombstone is a keyed hash (HMAC-SHA256 with CLICKSTREAM_USER_HASH_KEY): it tells an erased user only to who has
-- both the key and the id.
create table clickstream.erased_users (
    user_hash bytea primary key,
    erased_at timestamptz not null default clock_timestamp()
);

-- One row a run; what a killed run left of its days, the next run of the user does too. `counts`: what was, or in a dry
-- run would be, erased, by place.
create table clickstream.erasures (
    erasure bigint generated always as identity primary key,
    user_hash bytea not null,
    dry_run boolean not null,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    -- whose counts must be recomputed before it is done
    days date[] not null default '{}',
    counts jsonb
);
