"""Judging stored minutes, on a real PostgreSQL: once each, in order, under the lease, without what nobody watched."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from builders import NOON_MS, event, piece
from clickstream.anomalies.scoring import CHUNK, MINUTE, REACH, advance, forget, last_closed, read_minutes
from clickstream.anomalies.series import METRICS
from clickstream.live import load_percentile
from clickstream.settings import settings
from clickstream.warehouse import ledger
from clickstream.warehouse.apply import Rules
from clickstream.warehouse.writer import Writer

ROOT = Path(__file__).parents[3]
TOPIC = "events"
START = datetime(2026, 6, 1, tzinfo=UTC)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATER = START + timedelta(days=365)  # nobody watched before
FOUND = "select metric, minute, round(value::numeric, 6), round(score::numeric, 9), reason from anomalies order by 2, 1"


@pytest.fixture
def connection(database: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(ROOT))
    settings.cache_clear()
    with psycopg.connect(database.writer, autocommit=True, options="-c search_path=clickstream") as connection:
        ledger.starting_offsets(connection, ledger.TopicState(TOPIC, "id-1", {0: 0, 1: 0}, {0: 0, 1: 0}))
        yield connection
    settings.cache_clear()


@pytest.fixture
def epoch(connection: psycopg.Connection) -> int:
    return ledger.acquire(connection, "test")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def fill(connection: psycopg.Connection, first: int, last: int, spike: int | None = None) -> None:
    """A hundred events in each minute of [first, last), a thousand in that of the spike."""
    rows = [(at(m), 1_000 if m == spike else 100 + m * 7_919 % 11) for m in range(first, last)]
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into traffic_minute (minute, event_type, device, is_bot, events, revenue_e4)"
            " values (%s, 'page_view', 'desktop', false, %s, 0)",
            rows,
        )


def rows(connection: psycopg.Connection, query: str = FOUND) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def catch_up(connection: psycopg.Connection, epoch: int, until: datetime, watched_since: datetime = LATER) -> int:
    """Judge all that is left; how many transactions it took."""
    steps = 1
    while advance(connection, epoch, until, watched_since):
        steps += 1
    return steps


def test_minutes_tell_what_the_stream_stored(connection: psycopg.Connection, database: Any, epoch: int) -> None:
    writer = Writer(database.writer, epoch, Rules(1_800_000, 300_000, 300_000), patience_seconds=30)
    bot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    order = {"price": 19.99, "quantity": 2, "order_id": "o1"}
    writer.apply(
        piece(
            TOPIC,
            [
                event(1, 0, properties={"page_load_ms": 240}),
                event(2, 70, kind="begin_checkout"),
                event(3, 130, kind="purchase", properties=order),
                event(4, 10, user="bob", properties={"page_load_ms": 3_000}),
                event(5, 20, user="crawler", user_agent=bot),
                b"{",
            ],
        )
    )
    writer.close()

    found = read_minutes(connection, NOON - MINUTE, NOON + 13 * MINUTE, watched_since=NOON - timedelta(hours=1))

    by_minute = {round((minute.minute - NOON) / MINUTE): minute for minute in found}
    assert list(by_minute) == list(range(-1, 14))
    assert [by_minute[m].events for m in range(-1, 5)] == [0, 2, 1, 1, 0, 0]
    # Both are away after five minutes; ann's last event came in minute 2.
    assert [by_minute[m].active_users for m in range(-1, 8)] == [0, 2, 2, 2, 2, 2, 1, 1, 0]
    assert [by_minute[m].checkouts for m in range(-1, 12)] == [0, 0, *[1] * 10, 0]
    assert [by_minute[m].purchases for m in range(-1, 13)] == [0, 0, 0, *[1] * 10, 0]
    assert by_minute[2].revenue == by_minute[11].revenue == 39.98 and by_minute[12].revenue == 0
    p75 = load_percentile([{"bucket": 112, "loads": 1}, {"bucket": 164, "loads": 1}], 0.75)
    assert (by_minute[0].loads, by_minute[0].load_p75_ms) == (2, pytest.approx(p75))
    # Records count by Kafka's time: an hour after noon.
    [arrived] = read_minutes(connection, NOON + 60 * MINUTE, NOON + 60 * MINUTE, NOON)
    assert (arrived.read, arrived.rejected) == (6, 1)
    assert {(minute.read, minute.rejected) for minute in found} == {(0, 0)}
    assert datetime.fromtimestamp(NOON_MS / 1_000, UTC) == NOON


def test_a_slice_that_caught_up_is_shared_out_over_its_time(connection: psycopg.Connection) -> None:
    connection.execute(
        "insert into stream_slices (topic, partition, first_offset, next_offset, epoch, read, accepted, duplicate,"
        " rejected, late, history, first_kafka_time, last_kafka_time, seconds)"
        " values (%s, 0, 0, 300, 1, 300, 300, 0, 0, 0, 0, %s, %s, 1)",
        [TOPIC, at(0.5), at(3)],
    )

    assert [minute.read for minute in read_minutes(connection, at(-1), at(4), at(-60))] == [0, 60, 120, 120, 0, 0]


def test_every_minute_is_judged_once_and_in_chunks(connection: psycopg.Connection, epoch: int) -> None:
    assert advance(connection, epoch, at(0), LATER) is False  # nothing is stored yet
    fill(connection, 0, 180, spike=150)
    steps = catch_up(connection, epoch, at(160))
    found = rows(connection)

    assert steps == -(-161 // (CHUNK // MINUTE))
    assert [row[:3] for row in found] == [("events", at(150), 1_000)]
    assert rows(connection, "select count(*), min(minute), max(minute) from anomaly_state") == [
        (len(METRICS), at(160), at(160))
    ]
    assert advance(connection, epoch, at(160), LATER) is False
    assert rows(connection) == found
    catch_up(connection, epoch, at(170))
    assert rows(connection, "select distinct minute from anomaly_state") == [(at(170),)]


def test_a_driver_that_is_killed_goes_on_where_it_was(
    connection: psycopg.Connection, database: Any, epoch: int
) -> None:
    fill(connection, 0, 170, spike=150)
    advance(connection, epoch, at(169), LATER)
    advance(connection, epoch, at(169), LATER)
    before = rows(connection, "select * from anomaly_state order by 1")
    dying = psycopg.connect(database.writer, options="-c search_path=clickstream")
    dying.execute("select 1")  # begins the transaction that the driver dies in
    advance(dying, epoch, at(169), LATER)
    assert len(rows(dying)) == 1
    dying.close()  # before its commit

    assert rows(connection) == []
    assert rows(connection, "select * from anomaly_state order by 1") == before
    catch_up(connection, epoch, at(169))
    once = rows(connection), rows(connection, "select * from anomaly_state order by 1")
    forget(connection)
    catch_up(connection, epoch, at(169))
    assert (rows(connection), rows(connection, "select * from anomaly_state order by 1")) == once
    assert [row[1] for row in once[0]] == [at(150)]


def test_an_old_driver_writes_nothing(connection: psycopg.Connection, epoch: int) -> None:
    fill(connection, 0, 170, spike=150)
    newer = ledger.acquire(connection, "another")

    with pytest.raises(ledger.LeaseLostError, match=f"epoch {epoch} "):
        advance(connection, epoch, at(160), LATER)
    assert rows(connection, "select * from anomaly_state") == []
    catch_up(connection, newer, at(160))
    assert len(rows(connection)) == 1


def test_a_platform_that_was_off_raises_no_alarm_but_a_shop_that_was_does(
    connection: psycopg.Connection, epoch: int
) -> None:
    fill(connection, 0, 200)
    fill(connection, 700, 900)
    catch_up(connection, epoch, at(899), watched_since=at(890))
    assert rows(connection) == []

    forget(connection)
    catch_up(connection, epoch, at(899), watched_since=at(100))
    assert rows(connection, "select metric, minute from anomalies order by minute limit 1") == [("events", at(200))]


def test_at_most_fourteen_days_are_caught_up(connection: psycopg.Connection, epoch: int) -> None:
    fill(connection, 0, 120)
    catch_up(connection, epoch, at(119))
    until = at(119) + REACH + timedelta(hours=5)
    advance(connection, epoch, until, LATER)

    assert rows(connection, "select distinct minute from anomaly_state") == [(until - REACH + CHUNK - MINUTE,)]


def test_what_is_learned_anew_replaces_what_was_found(connection: psycopg.Connection, epoch: int) -> None:
    fill(connection, 0, 170, spike=150)
    catch_up(connection, epoch, at(169))
    connection.execute("update traffic_minute set events = 100 where minute = %s", [at(150)])
    connection.execute("update anomaly_state set state = state || '{\"version\": 0}'")  # another detector's

    catch_up(connection, epoch, at(169))

    assert rows(connection) == []


def test_a_minute_is_closed_once_all_that_kafka_had_is_applied(connection: psycopg.Connection) -> None:
    now = START + timedelta(hours=1, seconds=20)

    def closed(ends: dict[int, int]) -> datetime | None:
        return last_closed(connection, TOPIC, ends, now)

    def applied(partition: int, next_offset: int, last_kafka_time: datetime) -> None:
        connection.execute(
            "insert into stream_slices (topic, partition, first_offset, next_offset, epoch, read, accepted, duplicate,"
            " rejected, late, history, first_kafka_time, last_kafka_time, seconds)"
            " values (%(t)s, %(p)s, 0, %(n)s, 1, %(n)s, %(n)s, 0, 0, 0, 0, %(l)s, %(l)s, 1)",
            {"t": TOPIC, "p": partition, "n": next_offset, "l": last_kafka_time},
        )
        connection.execute(
            "update stream_offsets set next_offset = %s where topic = %s and partition = %s",
            [next_offset, TOPIC, partition],
        )

    assert closed({0: 0, 1: 0}) == at(57)  # 00:58:50 is all in: minute 57 is over for at least 90 s
    assert closed({0: 5, 1: 0}) is None  # records wait, none was ever applied
    applied(0, 5, at(30))
    assert closed({0: 5, 1: 0}) == at(57)
    assert closed({0: 9, 1: 0}) == at(27)
