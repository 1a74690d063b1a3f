"""The live view: figures of a known hour on a real PostgreSQL and Redis, and its own arithmetic."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from builders import NOON_MS, event, piece
from clickstream.counts import LOAD_BUCKET_BASE
from clickstream.enrich import page_group
from clickstream.live import Flow, Live, Performance, load_percentile
from clickstream.settings import settings
from clickstream.warehouse import ledger
from clickstream.warehouse.apply import Rules
from clickstream.warehouse.ledger import LeaseLostError
from clickstream.warehouse.writer import Writer
from faults import invariants

ROOT = Path(__file__).parents[2]
NOW = datetime.fromtimestamp(NOON_MS / 1_000, UTC) + timedelta(minutes=40, milliseconds=500)
PERFORMANCE = Performance(
    read_per_second=12.34,
    stored_per_second=11.0,
    lag={0: 3, 1: 4},
    batch_ms=250.4,
    stage_ms={"store": 20.06, "spark": 229.9},
    latency_ms=(400.0, 900.4, 1_200.0),
)


class World:
    """A warehouse that takes slices, and what Redis shows of it at 12:40."""

    def __init__(self, database: Any, redis_url: str, gap_seconds: int) -> None:
        self.connection = psycopg.connect(database.writer, autocommit=True, options="-c search_path=clickstream")
        ledger.starting_offsets(self.connection, ledger.TopicState("events", "id-1", {0: 0, 1: 0}, {0: 0, 1: 0}))
        self.epoch = ledger.acquire(self.connection, "test")
        self.writer = Writer(database.writer, self.epoch, Rules(gap_seconds * 1_000, 300_000, 300_000))
        self.redis = redis.Redis.from_url(redis_url, decode_responses=True)
        self._stored = 0

    def store(self, *visits: tuple[float, str, str, dict[str, Any]]) -> None:
        """Store events given as minutes after noon, user, event type and further fields."""
        events = [
            event(self._stored + number + 1, minutes * 60, user=user, kind=kind, **fields)
            for number, (minutes, user, kind, fields) in enumerate(visits)
        ]
        assert self.writer.apply(piece("events", events, first=self._stored)) is not None
        self._stored += len(events)

    def publish(self, now: datetime = NOW) -> None:
        Live(self.connection, self.redis, self.epoch).publish(PERFORMANCE, now)

    def series(self) -> dict[str, dict[str, float]]:
        return {minute[11:16]: json.loads(figures) for minute, figures in self.redis.hgetall("live:series").items()}

    def close(self) -> None:
        self.writer.close()
        self.connection.close()


@pytest.fixture
def gap_seconds() -> int:
    return 1_800


@pytest.fixture
def world(database: Any, redis_url: str, gap_seconds: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(ROOT))
    monkeypatch.setenv("CLICKSTREAM_SESSION_GAP_SECONDS", str(gap_seconds))
    settings.cache_clear()
    world = World(database, redis_url, gap_seconds)
    yield world
    world.close()
    settings.cache_clear()


def page(path: str, **properties: Any) -> dict[str, Any]:
    return {"page_url": f"https://shop.example{path}", "properties": properties}


HOUR = [
    (0, "cid", "page_view", page("/", page_load_ms=1_000)),  # seen in the hour, not in the last 30 minutes
    (12, "bob", "page_view", page("/p/1", page_load_ms=1_000)),  # in the last 30 minutes, not in the last 5
    (20, "bob", "view_item", page("/p/1")),
    (36, "ann", "page_view", page("/", page_load_ms=2_000)),
    (37.5, "ann", "view_item", page("/p/1")),
    (38, "ann", "add_to_cart", page("/p/1")),
    (38.5, "ann", "begin_checkout", page("/checkout")),
    (39, "ann", "purchase", page("/checkout", price=10.1, quantity=2)),
    (39.5, "dan", "purchase", page("/checkout", price=5)),  # bought, but skipped the funnel's steps
    (39, "robot", "page_view", page("/") | {"user_agent": "Googlebot/2.1"}),
    (39, "machine", "page_view", page("/p/2")),
    (39, "giant", "page_view", page("/p/2")),
    (-25, "old", "purchase", page("/checkout", price=1_000)),
]
NOT_PEOPLE = "update sessions set bot = case user_id when 'machine' then 'rate' end, quarantined = user_id = 'giant'"


def test_an_hour_of_known_visits(world: World) -> None:
    world.store(*HOUR)
    world.connection.execute(NOT_PEOPLE + " where user_id in ('machine', 'giant')")
    world.publish()
    live = world.redis
    assert live.hgetall("live:active_users") == {"5m": "2", "30m": "3"}
    assert {field: float(value) for field, value in live.hgetall("live:conversion").items()} == {
        "sessions": 4, "views": 2, "carts": 1, "checkouts": 1, "purchases": 1,
        "view_rate": 0.5, "cart_rate": 0.5, "checkout_rate": 1, "purchase_rate": 1,
        "conversion_rate": 0.5, "revenue": 25.2,
    }  # fmt: skip
    # Minute tables count events before their session is known: of bots they leave out the declared ones.
    pages = {"/p/2": 2.0, "/p/1": 1.0, "/": 1.0}
    assert dict(live.zrange("live:pages", 0, -1, withscores=True)) == pages
    groups = dict(live.zrange("live:page_groups", 0, -1, withscores=True))
    assert groups == {
        label: sum(views for path, views in pages.items() if page_group(path) == label)
        for label in {page_group(path) for path in pages}
    }
    assert live.hgetall("live:lag") == {"0": "3", "1": "4"}
    assert live.hgetall("live:stages") == {"store": "20.1", "spark": "229.9"}
    performance = live.hgetall("live:performance")
    # Of 1,000 and 2,000 ms: that of 12:00 is out of the window, of 12:36 the upper one.
    assert float(performance.pop("page_load_p75_ms")) == pytest.approx(2_000, rel=0.025)
    assert performance == {
        "events_per_second": "12.3", "stored_per_second": "11.0", "lag_events": "7", "batch_ms": "250",
        "latency_p50_ms": "400", "latency_p95_ms": "900", "latency_p99_ms": "1200",
    }  # fmt: skip
    assert live.get("live:as_of") == "2026-06-01T12:40:00.500+00:00"
    assert (live.get("live:epoch"), live.ttl("live:epoch")) == ("1", -1)
    assert all(0 < live.ttl(key) <= 60 for key in live.keys("live:*") if key != "live:epoch")


def test_the_fault_tests_count_the_same_from_events(world: World) -> None:
    world.store(*HOUR)
    world.connection.execute(NOT_PEOPLE + " where user_id in ('machine', 'giant')")
    world.publish()
    assert invariants.live(world.connection, world.redis)
    world.store((39.8, "ann", "click", page("/")))
    assert not invariants.live(world.connection, world.redis)
    world.publish()
    assert invariants.live(world.connection, world.redis)


def test_the_lines_have_every_minute(world: World) -> None:
    world.store(*HOUR)
    world.connection.execute(NOT_PEOPLE + " where user_id in ('machine', 'giant')")
    world.publish()
    series = world.series()
    assert sorted(series) == [f"11:{minute}" for minute in range(41, 60)] + [f"12:{m:02}" for m in range(41)]
    names = ("events", "page_views", "purchases", "revenue", "active_users", "sessions")

    def line(minute: str) -> tuple[float, ...]:
        return tuple(series[minute][name] for name in names)

    assert line("11:59") == (0, 0, 0, 0, 0, 0)
    assert line("12:00") == (1, 1, 0, 0, 1, 1)
    assert line("12:12") == (1, 1, 0, 0, 1, 1)
    assert line("12:15") == (0, 0, 0, 0, 1, 0)  # bob pauses
    assert line("12:24") == (0, 0, 0, 0, 1, 0)  # seen in the five minutes up to its end
    assert line("12:25") == (0, 0, 0, 0, 0, 0)
    assert line("12:38") == (2, 0, 0, 0, 1, 0)
    assert line("12:39") == (4, 2, 2, 25.2, 2, 1)
    world.store((15, "bob", "page_view", page("/")), (12.2, "eve", "page_view", page("/")))
    world.publish()
    series = world.series()
    assert (line("12:15"), line("12:12")) == ((1, 1, 0, 0, 2, 0), (2, 2, 0, 0, 2, 2))


def test_a_session_over_the_border_of_the_hour_is_active_but_began_before(world: World) -> None:
    world.store(
        (-25, "ann", "page_view", page("/")), (-15, "ann", "click", page("/")), (-21, "bob", "click", page("/"))
    )  # fmt: skip
    world.publish()
    series = world.series()
    assert {minute: figures["active_users"] for minute, figures in series.items() if figures["active_users"]} == {
        **dict.fromkeys(("11:41", "11:42", "11:43"), 2),
        **dict.fromkeys(("11:44", "11:45", "11:46", "11:47", "11:48", "11:49"), 1),
    }
    assert sum(figures["sessions"] for figures in series.values()) == 0
    assert world.redis.hget("live:conversion", "sessions") == "1"


def test_an_empty_warehouse_shows_zeros(world: World) -> None:
    world.publish()
    assert world.redis.hgetall("live:active_users") == {"5m": "0", "30m": "0"}
    assert set(world.redis.hgetall("live:conversion").values()) <= {"0", "0.0"}
    assert all(set(figures.values()) == {0} for figures in world.series().values())
    assert not world.redis.exists("live:pages", "live:page_groups")
    assert world.redis.get("live:anomalies") == "[]"


@pytest.mark.parametrize("gap_seconds", [60])
def test_a_user_of_several_short_sessions_counts_once(world: World) -> None:
    world.store(*((minute, "ann", "page_view", page("/")) for minute in (15, 36, 39)))
    world.publish()
    assert world.redis.hgetall("live:active_users") == {"5m": "1", "30m": "1"}
    assert world.redis.hget("live:conversion", "sessions") == "3"


def test_an_older_epoch_writes_nothing(world: World) -> None:
    older = Live(world.connection, world.redis, world.epoch)
    newer = Live(world.connection, world.redis, world.epoch + 1)
    newer.publish(PERFORMANCE, NOW)
    with pytest.raises(LeaseLostError, match="epoch 1 may not publish: epoch 2 does"):
        older.publish(PERFORMANCE, NOW + timedelta(seconds=1))
    assert world.redis.get("live:as_of") == "2026-06-01T12:40:00.500+00:00"


def test_latency_percentiles_weigh_records_and_forget_after_a_minute() -> None:
    now = 1_000.0
    flow = Flow(lambda: now)
    flow.show([(999_000, 98), (990_000, 2)], stored=95)
    assert flow.latency_ms(0.5, 0.95, 0.99) == (1_000, 1_000, 10_000)
    assert flow.per_second() == (10.0, 9.5)
    now = 1_059.0
    flow.show([(1_058_500, 1)], stored=0)
    assert flow.latency_ms(0.5) == (1_000,)
    assert flow.per_second() == (0.1, 0.0)
    now = 1_061.0
    flow.show([], stored=0)
    assert flow.latency_ms(0.5) == (500,)


def test_nothing_shown_is_zero() -> None:
    flow = Flow(lambda: 0.0)
    assert flow.latency_ms(0.5, 0.99) == (0.0, 0.0)
    assert flow.per_second() == (0.0, 0.0)


def test_load_percentile_is_within_a_bucket_of_the_true_one() -> None:
    histogram = [{"bucket": 100, "loads": 3}, {"bucket": 120, "loads": 1}]
    assert load_percentile(histogram, 0.75) == pytest.approx(LOAD_BUCKET_BASE**100.5)
    assert load_percentile(histogram, 0.76) == pytest.approx(LOAD_BUCKET_BASE**120.5)
    assert load_percentile([], 0.75) == 0.0
