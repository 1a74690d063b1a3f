"""The live dialect on a real Redis: SQL over the keys, empty when silent, closed to everything else."""

import json

import pytest
import redis

from local.redis import Redis
from local.server import free_port
from superset_server import query_live

pytestmark = pytest.mark.usefixtures("live")


def test_the_tables_have_typed_columns(redis_server: Redis) -> None:
    tables = query_live(redis_server.url(), "tables")
    assert list(tables) == [
        "live_active_users", "live_pages", "live_page_groups", "live_conversion", "live_funnel", "live_performance",
        "live_lag", "live_stages", "live_series", "live_anomalies",
    ]  # fmt: skip
    assert tables["live_pages"] == {"page_path": "TEXT", "views": "REAL", "as_of": "TIMESTAMP"}
    assert tables["live_series"]["minute"] == "TIMESTAMP"
    assert tables["live_series"]["is_complete"] == "BOOLEAN"


def test_silence_is_an_empty_table(redis_server: Redis) -> None:
    assert query_live(redis_server.url(), "select * from live_series") == []
    assert query_live(redis_server.url(), "select max(users_5m) from main.live_active_users") == [[None]]


def test_filters_order_limits_and_sums_count_in_numbers(redis_server: Redis, live: redis.Redis) -> None:
    live.zadd("live:pages", {"/a": 9, "/b": 100, "/c'; drop": 20})
    url = redis_server.url()
    top = query_live(url, "select page_path, views from live_pages where views > 9 order by views desc limit 2")
    assert top == [["/b", 100], ["/c'; drop", 20]]
    assert query_live(url, "select max(views), sum(views), count(*) from live_pages") == [[100, 129, 3]]


def test_tables_join_and_group(redis_server: Redis, live: redis.Redis) -> None:
    live.set("live:as_of", "2026-06-01T12:01:00Z")
    live.hset("live:series", "2026-06-01T12:00:00Z", json.dumps({"events": 7, "page_views": 2}))
    live.hset("live:active_users", mapping={"5m": 3, "30m": 4})
    sql = """
        select minute, is_complete, sum(events) / max(users_30m)
        from live_series cross join live_active_users where minute >= '2026-06-01' group by minute, is_complete
    """
    assert query_live(redis_server.url(), sql) == [["2026-06-01 12:00:00", True, 1.75]]


def test_redis_away_is_a_database_error_that_says_so() -> None:
    kind, message = query_live(f"redis://127.0.0.1:{free_port()}/0", "select * from live_pages")
    assert kind == "OperationalError"
    assert message.startswith("Redis, which holds the live metrics, cannot be reached")


def test_a_wrong_password_is_said_and_not_shown(redis_server: Redis) -> None:
    url = redis_server.url().replace(redis_server.password, "wrong-password")
    kind, message = query_live(url, "select * from live_pages")
    assert kind == "OperationalError"
    assert "wrong-password" not in message


def test_an_address_that_is_not_set_is_named() -> None:
    assert query_live("", "select * from live_pages") == [
        "OperationalError", "CLICKSTREAM_REDIS_URL is not set where Superset runs: it has to hold Redis' address"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"), [("live:pages", "text where a sorted set belongs"), ("live:anomalies", "no JSON")]
)
def test_a_key_with_other_content_is_a_database_error(
    redis_server: Redis, live: redis.Redis, key: str, value: str
) -> None:
    live.set(key, value)
    kind, message = query_live(redis_server.url(), f"select * from {key.replace(':', '_')}")
    assert kind in {"OperationalError", "ProgrammingError"}
    assert key in message


@pytest.mark.parametrize(
    "sql",
    [
        "attach database '/tmp/clickstream-test.db' as other",
        "vacuum into '/tmp/clickstream-test.db'",
        'select * from "csv:///etc/passwd"',
        "insert into live_pages (page_path) values ('/x')",
        "delete from live_pages",
    ],
)
def test_neither_files_nor_writing(redis_server: Redis, live: redis.Redis, sql: str) -> None:
    live.zadd("live:pages", {"/a": 9})
    kind, _ = query_live(redis_server.url(), sql)
    assert kind in {"ProgrammingError", "NotSupportedError", "OperationalError"}
    assert live.zrange("live:pages", 0, -1) == ["/a"]
