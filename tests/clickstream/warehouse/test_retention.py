"""What retention takes away, and that nothing of it comes back, whoever writes or reads meanwhile."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from typing import Any

import psycopg
import pytest

from builders import event, event_id, piece
from clickstream.settings import Settings
from clickstream.warehouse.retention import prune
from clickstream.warehouse.writer import Writer
from waiting import wait_until

from .conftest import TOPIC

DAY = 86_400  # seconds; builders.event counts from noon of 2026-06-01
KAFKA_MS = 1_780_315_200_000 + 5 * DAY * 1_000
TODAY = date(2026, 6, 4)  # two days are kept: 2026-06-02 and later
OLD = [event(1, 0), event(2, 60), event(3, 0, "bob") | {"event_time": "2010-01-01T00:00:00Z"}]
KEPT = [event(4, DAY), event(5, DAY + 60), event(6, 2 * DAY, "bob")]
SUMS = "select sum(read)::int, sum(accepted)::int, sum(duplicate)::int, sum(rejected)::int from stream_slices"
LATER = "select to_regclass('events_20260601'), to_regclass('events_20260602') is not null"


@pytest.fixture
def platform(database: Any) -> Settings:
    return Settings(postgres_writer=database.writer, retention_days=2)


def rows(connection: psycopg.Connection, query: str) -> list[Any]:
    return connection.execute(query).fetchall()


def ids(connection: psycopg.Connection) -> list[tuple[set[str], ...]]:
    """The ids of events that are stored, in both tables."""
    found = (rows(connection, f"select event_id::text from {table}") for table in ("events", "event_ids"))
    return [{name for (name,) in part} for part in found]


def test_old_events_and_ids_go_and_what_was_made_of_them_stays(
    connection: psycopg.Connection, writer: Writer, platform: Settings
) -> None:
    writer.apply(piece(TOPIC, OLD + KEPT, kafka_ms=KAFKA_MS))
    made = "select (select count(*) from sessions), (select sum(events)::int from traffic_minute)"
    before = rows(connection, made)
    assert prune(platform.model_copy(update={"retention_days": None}), dry_run=False) == {"check_results": 0}
    expected = {"check_results": 0, "event_ids": 3, "partitions": 1, "old_events": 1}
    assert prune(platform, True, TODAY) == expected
    assert rows(connection, "select count(*) from events") == [(6,)]
    assert rows(connection, "select count(*) from retention") == [(0,)]

    assert prune(platform, False, TODAY) == expected
    assert ids(connection) == [{event_id(4), event_id(5), event_id(6)}] * 2
    assert rows(connection, LATER) == [(None, True)]
    assert rows(connection, "select horizon from retention") == [(date(2026, 6, 2),)]
    assert rows(connection, made) == before

    assert prune(platform, False, date(2026, 6, 3)) == dict.fromkeys(expected, 0)
    assert rows(connection, "select horizon from retention") == [(date(2026, 6, 2),)], "it only moves forwards"
    assert rows(connection, "select operation, dry_run, finished_at >= started_at, counts from maintenance_runs"
                            " order by run") == [
        ("prune", False, True, {"check_results": 0}),
        ("prune", True, True, expected),
        ("prune", False, True, expected),
        ("prune", False, True, dict.fromkeys(expected, 0)),
    ]  # fmt: skip


def test_results_of_checks_go_after_their_own_days(connection: psycopg.Connection, platform: Settings) -> None:
    for day in (2, 3, 4):
        row = [f"check {day}", date(2026, 6, day)]
        connection.execute("insert into check_results values (%s, now(), 'fail', true, '', '', %s)", row)
    platform = platform.model_copy(update={"retention_days": None, "checks_retention_days": 1})
    assert prune(platform, True, TODAY) == {"check_results": 1}
    assert prune(platform, False, TODAY) == {"check_results": 1}
    assert rows(connection, "select check_name from check_results order by 1") == [("check 3",), ("check 4",)]


def test_the_same_log_again_brings_nothing_back(
    connection: psycopg.Connection, writer: Writer, platform: Settings
) -> None:
    log = [*OLD, *KEPT, b"{"]
    writer.apply(piece(TOPIC, log, kafka_ms=KAFKA_MS))
    prune(platform, False, TODAY)
    applied = writer.apply(piece(TOPIC, log, first=len(log), kafka_ms=KAFKA_MS))
    assert applied is not None
    assert (applied.read, applied.accepted, applied.duplicate, applied.rejected) == (7, 0, 3, 4)
    assert rows(connection, SUMS) == [(14, 6, 3, 5)]
    assert ids(connection) == [{event_id(4), event_id(5), event_id(6)}] * 2
    assert rows(connection, "select kafka_offset::int, detail, payload is not null from dead_letters"
                            " where reason = 'too_old' order by 1") == [
        (offset, "event_time is before 2026-06-02", True) for offset in (7, 8, 9)
    ]  # fmt: skip
    fresh = Writer(platform.postgres_writer.get_secret_value(), applied_epoch(connection), writer._rules)
    fresh.apply(piece(TOPIC, OLD, first=14, kafka_ms=KAFKA_MS))
    fresh.close()
    assert rows(connection, LATER) == [(None, True)], "no partition is made for what is refused"


def applied_epoch(connection: psycopg.Connection) -> int:
    return rows(connection, "select epoch from stream_lease")[0][0]


@contextmanager
def held(platform: Settings, statement: str) -> Any:
    """Hold what a statement locks."""
    dsn = platform.postgres_writer.get_secret_value()
    with psycopg.connect(dsn, options="-c search_path=clickstream") as holder:
        holder.execute(statement)
        yield


def begun(pool: ThreadPoolExecutor, connection: psycopg.Connection, work: Callable[[], Any], waits_for: str) -> Future:
    """Work that has begun and waits for the lock of a table."""
    future = pool.submit(work)
    waiting = "select 1 from pg_locks where not granted and relation = %s::regclass"
    wait_until(lambda: connection.execute(waiting, [waits_for]).fetchall(), f"a wait for {waits_for}",
               alive=lambda: not future.done())  # fmt: skip
    return future


def test_a_slice_in_flight_loses_what_it_accepted(
    connection: psycopg.Connection, writer: Writer, platform: Settings
) -> None:
    """It began before the prune and commits after the prune has deleted nearly all."""
    with ThreadPoolExecutor(2) as pool:
        with held(platform, "lock table load_minute in access exclusive mode"):
            slice_ = piece(TOPIC, [e | {"properties": {"page_load_ms": 5}} for e in OLD + KEPT], kafka_ms=KAFKA_MS)
            applying = begun(pool, connection, lambda: writer.apply(slice_), "load_minute")
            pruning = begun(pool, connection, lambda: prune(platform, False, TODAY), "stream_offsets")
        assert applying.result(60).accepted == 6
        assert pruning.result(60) == {"check_results": 0, "event_ids": 3, "old_events": 1, "partitions": 1}
    assert ids(connection) == [{event_id(4), event_id(5), event_id(6)}] * 2


@pytest.mark.timeout(120)
def test_a_slice_that_comes_meanwhile_waits_and_is_refused(
    connection: psycopg.Connection, writer: Writer, platform: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A reader holds the prune up until it lets go of everything and tries again; a slice waits behind it."""
    writer.apply(piece(TOPIC, OLD + KEPT, kafka_ms=KAFKA_MS))
    late = piece(TOPIC, [event(7, 120), event(8, DAY + 120)], first=6, kafka_ms=KAFKA_MS)
    caplog.set_level("INFO", logger="clickstream.warehouse.retention")
    with ThreadPoolExecutor(2) as pool:
        with held(platform, "select from events"):
            pruning = begun(pool, connection, lambda: prune(platform, False, TODAY), "events")
            wait_until(lambda: "LockNotAvailable" in caplog.text, "the next try")
            wait_until(
                lambda: rows(
                    connection,
                    "select 1 from pg_locks where not granted and relation = 'events'::regclass"
                    " and mode = 'AccessExclusiveLock'",
                ),
                "a second wait",
            )
            applying = begun(pool, connection, lambda: writer.apply(late), "stream_offsets")
        assert pruning.result(60)["partitions"] == 1
        applied = applying.result(60)
    assert (applied.accepted, applied.rejected) == (1, 1)
    assert ids(connection) == [{event_id(number) for number in (4, 5, 6, 8)}] * 2
