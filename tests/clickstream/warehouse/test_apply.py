"""One slice, one transaction: what is stored, counted and refused, on a real PostgreSQL."""

from typing import Any

import psycopg
import pytest

from builders import NOON_MS, encoded, event, event_id, piece
from clickstream.warehouse import ledger
from clickstream.warehouse.writer import Writer

from .conftest import TOPIC

SESSIONS = """
select user_id, extract(epoch from started_at)::float8, extract(epoch from ended_at)::float8, events, page_views,
       purchases, revenue::float8, entry_page, exit_page, path, first_event_id::text, session_id
from sessions order by user_id, started_at
"""
TABLES = (
    "event_ids", "events", "dead_letters", "sessions", "session_arrivals", "session_anomalies", "journey_links",
    "traffic_minute", "page_minute", "load_minute", "stream_slices",
)  # fmt: skip


def rows(connection: psycopg.Connection, query: str) -> list[Any]:
    return connection.execute(query).fetchall()


def count(connection: psycopg.Connection, table: str) -> int:
    return connection.execute(f"select count(*) from {table}").fetchone()[0]


def test_a_slice_stores_events_sessions_and_counts(connection: psycopg.Connection, writer: Writer) -> None:
    properties = {"price": 19.99, "quantity": 2, "order_id": "o1", "product_id": " P1", "category": ""}
    applied = writer.apply(
        piece(
            TOPIC,
            [
                event(1, 0, properties={"page_load_ms": 240}),
                event(2, 30, page_url="https://shop.example/cart?x=1"),
                event(3, 60, kind="purchase", properties=properties),
                event(4, 10, user="bob", referrer="https://www.google.com/"),
                b"{",
            ],
        )
    )
    assert applied is not None
    assert (applied.read, applied.accepted, applied.duplicate, applied.rejected) == (5, 4, 0, 1)
    ann, bob = rows(connection, SESSIONS)
    noon = NOON_MS / 1_000
    assert ann[:11] == ("ann", noon, noon + 60, 3, 2, 1, 39.98, "/", "/cart", ["/", "/cart"], event_id(1))
    assert bob[:10] == ("bob", noon + 10, noon + 10, 1, 1, 0, 0.0, "/", "/", ["/"])
    assert rows(connection, "select engaged, converted, quarantined, referrer_medium from sessions") == [
        (True, True, False, "direct"),
        (False, False, False, "search"),
    ]
    assert rows(connection, "select event_type, events, revenue::float8 from traffic_minute order by 1, 2") == [
        ("page_view", 3, 0.0),
        ("purchase", 1, 39.98),
    ]
    assert rows(connection, "select page_path, page_group, views from page_minute order by 1") == [
        ("/", "Home", 2),
        ("/cart", "Cart", 1),
    ]
    assert rows(connection, "select bucket, loads from load_minute") == [(112, 1)]  # 1.05^112 = 236 ms
    assert rows(connection, "select kafka_offset, reason, payload from dead_letters") == [(4, "not_json", b"{")]
    bought = "select properties, product_id, category, page_group from events where event_type = 'purchase'"
    assert rows(connection, bought) == [(properties, "P1", None, "Home")]
    assert rows(connection, "select step::int, source, target, sessions::int from journey_links order by 1, 2, 3") == [
        (1, "Home", "(exit)", 1),
        (1, "Home", "Cart", 1),
        (2, "Cart", "(exit)", 1),
    ]
    assert rows(connection, "select partition, next_offset from stream_offsets order by 1") == [
        (0, 5),
        (1, 0),
    ]
    assert rows(
        connection,
        "select first_offset, next_offset, read, accepted, duplicate, rejected from stream_slices",
    ) == [(0, 5, 5, 4, 0, 1)]


def test_what_late_events_did_is_told_apart_from_the_sessions(connection: psycopg.Connection, writer: Writer) -> None:
    """Late is more than five minutes; two sessions that had ended are joined by a third event, an hour late."""
    arrivals = """
        select user_id, ((extract(epoch from kafka_time) * 1000)::bigint - %s)::int, late_events, reopened,
               joined::int, session_id = (select session_id from sessions where user_id = arrived.user_id)
        from session_arrivals as arrived"""
    writer.apply(piece(TOPIC, [event(1, 0), event(2, 0, user="bob")], kafka_ms=NOON_MS + 300_000))
    writer.apply(piece(TOPIC, [event(3, 3_600)], first=2, kafka_ms=NOON_MS + 3_600_000))
    assert rows(connection, "select count(*)::int, sum(late)::int from stream_slices") == [(2, 0)]
    assert count(connection, "session_arrivals") == 0
    between = [event(4, 1_800), event(5, 1_900), event(6, 0.1, user="bob")]
    writer.apply(piece(TOPIC, between, first=3, kafka_ms=NOON_MS + 5_400_000))
    found = connection.execute(f"{arrivals} order by 1", [NOON_MS]).fetchall()
    assert found == [("ann", 5_400_000, 2, True, 1, True), ("bob", 5_400_000, 1, True, 0, True)]
    writer.apply(piece(TOPIC, [event(7, 5_000, user="new")], first=6, kafka_ms=NOON_MS + 5_400_000))
    found = connection.execute(f"{arrivals} where user_id = 'new'", [NOON_MS]).fetchall()
    assert found == [("new", 5_400_000, 1, False, 0, True)]


def test_the_same_slice_again_changes_nothing(connection: psycopg.Connection, writer: Writer) -> None:
    same = piece(TOPIC, [event(1), event(2, 5), b"nonsense"])
    assert writer.apply(same) is not None
    before = {table: count(connection, table) for table in TABLES}
    assert writer.apply(same) is None
    assert {table: count(connection, table) for table in TABLES} == before


def test_only_what_the_ledger_does_not_cover_is_applied(connection: psycopg.Connection, writer: Writer) -> None:
    events: list[Any] = [event(number, number) for number in range(10)]
    writer.apply(piece(TOPIC, events[:6]))
    applied = writer.apply(piece(TOPIC, events))
    assert applied is not None
    assert (applied.read, applied.accepted, applied.duplicate) == (4, 4, 0)
    assert count(connection, "events") == 10
    assert rows(connection, "select events from sessions") == [(10,)]


def test_a_gap_above_the_ledger_is_refused(connection: psycopg.Connection, writer: Writer) -> None:
    with pytest.raises(ledger.OffsetGapError, match="starts at 7, the ledger is at 0"):
        writer.apply(piece(TOPIC, [event(1)], first=7))
    assert count(connection, "events") == 0


def test_a_stale_epoch_commits_nothing(connection: psycopg.Connection, writer: Writer) -> None:
    newer = ledger.acquire(connection, "successor")
    with pytest.raises(ledger.LeaseLostError, match=f"epoch {newer} does"):
        writer.apply(piece(TOPIC, [event(1)]))
    assert count(connection, "events") == 0


def test_repeats_are_duplicates_and_other_content_is_a_conflict(connection: psycopg.Connection, writer: Writer) -> None:
    first = event(1, properties={"a": 1, "b": 2})
    reordered = dict(reversed(first.items())) | {"properties": {"b": 2, "a": 1}}
    other = event(1, kind="click")
    applied = writer.apply(piece(TOPIC, [first, reordered, other]))
    assert applied is not None
    assert (applied.accepted, applied.duplicate, applied.rejected) == (1, 1, 1)
    applied = writer.apply(piece(TOPIC, [encoded(other), encoded(first), event(2)], partition=1))
    assert applied is not None
    assert (applied.accepted, applied.duplicate, applied.rejected) == (1, 1, 1)
    assert rows(connection, "select partition, kafka_offset, reason, payload from dead_letters order by 1") == [
        (0, 2, "conflict", encoded(other)),
        (1, 0, "conflict", encoded(other)),
    ]


def test_old_dates_share_a_partition_and_recent_ones_have_their_own(
    connection: psycopg.Connection, writer: Writer
) -> None:
    old = event(1) | {"event_time": "2015-05-17T10:05:03Z"}
    writer.apply(piece(TOPIC, [old, event(2)]))
    assert rows(connection, "select tableoid::regclass::text from events order by event_time") == [
        ("events_old",),
        ("events_20260601",),
    ]


def test_what_postgresql_cannot_store_is_a_dead_letter(connection: psycopg.Connection, writer: Writer) -> None:
    hostile = [
        encoded(event(1, user="a\0b")),
        encoded(event(2, properties={"x": "\ud800"})),
        encoded(event(3)).replace(b'"ann"', b'"\xff"'),
        encoded(event(4, properties={"n": 1})).replace(b'"n": 1', b'"n": 1e99999'),
        encoded(event(5) | {"event_time": "2099-01-01T00:00:00Z"}),
        encoded(event(6) | {"event_time": "1999-12-31T23:59:59Z"}),
        b"\0",
    ]
    applied = writer.apply(piece(TOPIC, [*hostile, event(7)]))
    assert applied is not None
    assert (applied.accepted, applied.rejected) == (1, 7)
    assert rows(connection, "select kafka_offset, reason from dead_letters order by 1") == [
        (0, "contract"), (1, "contract"), (2, "not_json"), (3, "contract"), (4, "future"), (5, "too_old"),
        (6, "not_json"),
    ]  # fmt: skip
