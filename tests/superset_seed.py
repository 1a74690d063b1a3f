"""Known rows for the dashboard: what each chart has to show follows from them."""

import json
import re
import uuid

import psycopg
import redis

HOSTILE_PAGE = "/<script>document.title='owned'</script>"
_SESSION = """
insert into clickstream.sessions (
    session_id, user_id, started_at, ended_at, first_event_id, events, page_views, searches, item_views, cart_adds,
    checkouts, purchases, sign_ups, revenue_e4, entry_page, exit_page, path, path_at, path_event_ids,
    referrer_medium, device, browser, bot, engaged, converted, quarantined
) values (
    %(id)s, %(user)s, now() - make_interval(secs => %(ago)s + %(seconds)s), now() - make_interval(secs => %(ago)s),
    %(id)s, %(views)s, %(views)s, 0, 0, 0, 0, %(purchases)s, 0, %(revenue)s * 10000, %(entry)s, '/cart', '{}', '{}',
    '', %(medium)s, %(device)s, 'Chrome', %(bot)s, true, %(purchases)s > 0, false
)
"""
_VISITS = """
insert into clickstream.visits (
    started_at, session_id, user_id, seconds, page_views, is_new, is_bot, engaged, converted, channel, device, browser,
    entry_page, exit_page
) select started_at, session_id, user_id, extract(epoch from ended_at - started_at), page_views, true,
    bot is not null, engaged, converted, channel, device, browser, entry_page, exit_page
from clickstream.sessions
"""
# user, ended so many seconds ago, length in seconds, page views, purchases, revenue, entry page, medium, device, bot
_SESSIONS = (
    ("ann", 60, 95, 4, 1, 25, "/", "search", "desktop", None),
    ("bob", 120, 0, 1, 0, 0, HOSTILE_PAGE, "direct", "mobile", None),
    ("cid", 180, 30, 2, 0, 0, "/", "search", "mobile", None),
    ("googlebot", 90, 30, 9, 0, 0, "/", "direct", "desktop", "declared"),
    ("eve", 7_200, 30, 2, 0, 0, "/", "email", "tablet", None),
)
_FIELDS = ("user", "ago", "seconds", "views", "purchases", "revenue", "entry", "medium", "device", "bot")
_STEPS = (("View item", 40), ("Add to cart", 20), ("Begin checkout", 8), ("Purchase", 6))


def seed_warehouse(writer_dsn: str) -> None:
    """Five sessions (one of a bot, one too old for the dashboard) and two days of a funnel."""
    with psycopg.connect(writer_dsn) as connection:
        connection.execute("delete from clickstream.sessions")
        connection.execute("delete from clickstream.funnel_steps")
        for session in _SESSIONS:
            connection.execute(_SESSION, {"id": uuid.uuid4(), **dict(zip(_FIELDS, session, strict=True))})
        connection.execute("truncate clickstream.visits")
        connection.execute(_VISITS)
        for day, factor in (("2026-06-01", 1), ("2026-05-31", 1_000)):
            for breakdown, value, share in (("(all)", "(all)", 2), ("device", "mobile", 1)):
                for step, (name, users) in enumerate(_STEPS, start=1):
                    connection.execute(
                        "insert into clickstream.funnel_steps values ('purchase', %s, %s, %s, %s, %s, %s, null, %s)",
                        (day, breakdown, value, step, name, users * share * factor // 2, users / 40),
                    )


def seed_live(client: redis.Redis, active: int = 7) -> None:
    """Every key of docs/live-metrics.md that the dashboard reads; the minute 12:02 is still filling."""
    client.set("live:as_of", "2026-06-01T12:02:30.250+00:00")
    client.hset("live:active_users", mapping={"5m": active, "30m": 23})
    client.zadd("live:pages", {"/": 300, "/cart": 45, HOSTILE_PAGE: 120})
    funnel = {"sessions": 80, "views": 40, "carts": 20, "checkouts": 8, "purchases": 6}
    client.hset("live:conversion", mapping={**funnel, "conversion_rate": 0.075, "revenue": 1234.5})
    performance = {"events_per_second": 49.8, "lag_events": 3, "latency_p95_ms": 1240, "page_load_p75_ms": 1900}
    client.hset("live:performance", mapping=performance)
    for minute, events in (("12:00", 100), ("12:01", 120), ("12:02", 5)):
        figures = {
            "events": events, "page_views": events // 2, "purchases": 1, "revenue": 10.0, "active_users": events // 10
        }  # fmt: skip
        client.hset("live:series", f"2026-06-01T{minute}:00Z", json.dumps(figures))
    anomaly = {"metric": "events", "minute": "2026-06-01T12:01:00Z", "value": 120, "expected": 90, "score": 4.5}
    other = {"metric": "revenue", "minute": "2026-06-01T12:00:00Z", "reason": "why"}
    client.set("live:anomalies", json.dumps([{**anomaly, "reason": HOSTILE_PAGE}, {**anomaly, **other}]))


def seed_models(writer_dsn: str) -> None:
    """A row or two in every table that the dashboards beside the live one read, all of yesterday; no others."""
    tables = ", ".join(sorted(set(re.findall(r"insert into (clickstream\.\w+)", _MODELS))))
    with psycopg.connect(writer_dsn) as connection:
        connection.execute(f"truncate {tables}")
        for statement in _MODELS.split(";"):
            connection.execute(statement.replace("HOSTILE", HOSTILE_PAGE.replace("'", "''")))


_MODELS = """
insert into clickstream.funnel_users
select 'purchase', current_date - 1, user_id, user_id, now() - interval '1 day', reached,
    array_fill(now() - interval '1 day', array[reached]), '{}'
from (values ('ann', 4), ('HOSTILE', 1)) as list (user_id, reached);
insert into clickstream.funnel_steps (funnel, day, breakdown, value, step, step_name, users, share_of_first)
select 'purchase', current_date - 1, breakdown, value, step, 'Step ' || step, 10 - step, (10 - step) / 9.0
from generate_series(1, 4) as step, (values ('(all)', '(all)'), ('device', 'mobile')) as cut (breakdown, value);
insert into clickstream.funnel_times values
    ('purchase', current_date - 1, '1 minute', '5 minutes', 3), ('purchase', current_date - 1, '1 day', '2 days', 1),
    ('purchase', current_date - 1, '10 minutes', '15 minutes', 2),
    ('purchase', current_date - 1, '2 hours', '4 hours', 1);
insert into clickstream.journey_links values
    (current_date - 1, 1, 'Home', 'HOSTILE', 3), (current_date - 1, 1, 'Home', '(exit)', 2),
    (current_date - 1, 2, 'HOSTILE', '(exit)', 3);
insert into clickstream.journey_flows values
    (date_trunc('hour', now() - interval '1 day'), 'backward', 'Home', 1, '(entrance)', 'Home', 5),
    (date_trunc('hour', now() - interval '1 day'), 'forward', 'HOSTILE', 1, 'HOSTILE', '(exit)', 4);
insert into clickstream.pages (page_path, page_group, last_viewed_at) values ('HOSTILE', 'Other', now());
insert into clickstream.paths_daily (day, path, goes_on, sessions, converted, revenue_e4) values
    (current_date - 1, '{Home,Cart}', false, 6, 1, 100000), (current_date - 1, array['HOSTILE'], true, 4, 0, 0);
insert into clickstream.backfill_runs (topic, day, vector, swapped_at, events, sessions, differences) values
    ('clickstream.events', current_date - 2, '{}', now(), 9, 3, '{"events": 1, "sessions": 0}'),
    ('clickstream.events', current_date - 1, '{}', now(), 9, 3, '{"events": 0, "sessions": 2}');
insert into clickstream.backfill_diffs
select max(run), 'sessions', '{"session_id": "HOSTILE"}', '{"engaged": false}', null from clickstream.backfill_runs;
insert into clickstream.acquisition_daily (
    day, touch, channel, source, medium, campaign, sessions, users, engaged, converted, revenue_e4
) select current_date - 1, touch, 'Organic Search', 'google', 'organic', 'HOSTILE', 5, 4, 3, 1, 250000
from (values ('first'), ('last_non_direct')) as kind (touch);
insert into clickstream.pages_daily (day, page_path, page_group, views, entrances, exits, bounces, loads, load_p75_ms)
values (current_date - 1, 'HOSTILE', 'Other', 9, 3, 2, 1, 8, 900);
insert into clickstream.products_daily (
    day, product_id, category, views, cart_adds, purchases, quantity, revenue_e4
) values (current_date - 1, 'HOSTILE', null, 9, 3, 1, 1, 250000);
insert into clickstream.retention_weekly (cohort_week, week, users, cohort_users)
select week, week, 9, 9 from (
    select date_trunc('week', current_date - days)::date as week from unnest(array[0, 7]) as days
) as weeks;
insert into clickstream.reconciliation (
    topic, partition, first_offset, next_offset, slices, read, accepted, duplicate, rejected
) values ('clickstream.events', 0, 0, 10, 1, 10, 7, 2, 1);
insert into clickstream.check_results (check_name, interval_end, severity, passed, observed, expected)
values ('a check', now() - interval '1 day', 'warn', true, '1', '1');
insert into clickstream.dead_letters (topic, partition, kafka_offset, kafka_time, reason, detail, payload)
values ('clickstream.events', 0, 9, now() - interval '1 day', 'not_json', 'HOSTILE', 'x');
insert into clickstream.late_hourly (
    hour, read, accepted, history, late, sessions_touched, sessions_reopened, sessions_joined
) values (date_trunc('hour', now() - interval '1 day'), 10, 8, 0, 2, 2, 1, 0);
insert into clickstream.bots_daily values (current_date - 1, 'declared', 1, 1, 9, 0.2, 0.3);
insert into clickstream.anomalies values ('events', now() - interval '1 day', 9, 3, 1, 5, 2, 'HOSTILE')
"""
