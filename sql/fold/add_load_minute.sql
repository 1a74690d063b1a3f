-- Add a slice's page-load histogram. Parameters: parallel arrays in key order (two slices lock rows in one order).
insert into clickstream.load_minute as stored (minute, bucket, is_bot, loads)
select *
from unnest(%(minutes)s::timestamptz[], %(buckets)s::smallint[], %(is_bot)s::boolean[], %(loads)s::bigint[])
on conflict (minute, bucket, is_bot) do update set
    loads = stored.loads + excluded.loads
