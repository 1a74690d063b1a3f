"""Known rows for the dashboard: what each chart has to show follows from them."""

import json
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
        for day, factor in (("2026-06-01", 1), ("2026-05-31", 1_000)):
            for device, share in (("(all)", 2), ("mobile", 1)):
                for step, (name, users) in enumerate(_STEPS, start=1):
                    connection.execute(
                        "insert into clickstream.funnel_steps values ('purchase', %s, %s, %s, %s, %s, null, %s)",
                        (day, device, step, name, users * share * factor // 2, users / 40),
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
        figures = {"events": events, "page_views": events // 2, "purchases": 1, "revenue": 10.0}
        client.hset("live:series", f"2026-06-01T{minute}:00Z", json.dumps(figures))
