-- Add a slice's page views. Parameters: parallel arrays in key order (two slices lock rows in one order).
insert into clickstream.page_minute as stored (minute, page_path, is_bot, page_group, views)
select *
from
    unnest(
        %(minutes)s::timestamptz[], %(page_paths)s::text[], %(is_bot)s::boolean[], %(page_groups)s::text[],
        %(views)s::bigint[]
    )
on conflict (minute, page_path, is_bot) do update set
    views = stored.views + excluded.views
