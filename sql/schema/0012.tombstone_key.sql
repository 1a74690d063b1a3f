-- With which key the tombstones were made: with another one they would cover nobody.
-- depends: 0010.erasure
-- Run by: clickstream db migrate (role clickstream_owner).

-- `key_check` is the hash of something that is no user id, by the key of the first tombstone.
create table clickstream.tombstone_key (
    one boolean primary key default true check (one),
    key_check bytea not null
);
