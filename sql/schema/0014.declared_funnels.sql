-- Which funnels are declared, and how, so that what is stored of others can go; and their index holds what they read.
-- depends: 0013.paths
-- Run by: clickstream db migrate (role clickstream_owner).

-- What each funnel's models bind, as it was when clickstream_models last ran.
create table clickstream.funnels (
    funnel text primary key,
    declaration jsonb not null
);

-- The next run finds each of these declared otherwise, or no more.
insert into clickstream.funnels (funnel, declaration)
select distinct
    funnel,
    '{}'::jsonb
from clickstream.funnel_users;

-- With its columns a funnel whose steps name event types alone needs no look at the table.
drop index clickstream.events_funnel;
create index events_funnel on clickstream.events (user_id, event_time)
include (event_id, event_type, device, browser)
where bot is null and event_type in (
    'search', 'view_item', 'add_to_cart', 'remove_from_cart', 'begin_checkout', 'add_payment_info', 'purchase',
    'sign_up', 'login'
);
