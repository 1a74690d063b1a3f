"""The baselines must do the work that they are compared in: their tables equal what our kernel stores."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import answers
import duckdb
import psycopg
import pytest
from baselines import handwritten, ids_only, session_store, store
from baselines.fold import SESSION, Link
from baselines.records import read
from baselines.visits import Seen, Visits
from psycopg.rows import dict_row

import independent
from builders import encoded, event, piece
from clickstream.contract import Accepted, Rejected, decode
from clickstream.generator import GeneratorOptions, generate
from clickstream.partitioner import home_partitions
from clickstream.settings import settings
from clickstream.warehouse import ledger
from clickstream.warehouse.apply import Rules
from clickstream.warehouse.writer import Writer

TOPIC = "events"
BATCH = 1_500
# Each table in the columns in which both must agree: not what says when it was written, not a detail's wording, and
# not the hash of the content, which the baselines take of the bytes.
TABLES = {
    "event_ids": "event_id, event_date, partition, kafka_offset",
    "events": "*",
    "dead_letters": "topic, partition, kafka_offset, kafka_time, reason, payload",
    "sessions": "*",
    "session_anomalies": "*",
    "traffic_minute": "*",
    "page_minute": "*",
    "load_minute": "*",
    "journey_links": "*",
    "model_changes": "distinct user_id, day",
    "stream_offsets": "topic, partition, next_offset",
    "stream_slices": "topic, partition, first_offset, next_offset, read, accepted, duplicate, rejected, late, history,"
    " first_kafka_time, last_kafka_time",
}


class Part(NamedTuple):
    """Records of one partition that are stored in one transaction."""

    partition: int
    first: int
    values: list[bytes]
    kafka_ms: int


@pytest.fixture(scope="module")
def parts() -> list[Part]:
    """About 20,000 records of a busy shop: three hours of few users, many of them offline for a while."""
    options = GeneratorOptions(rate=2, users=400, late_share=0.2, malformed_share=0.03, duplicate_share=0.05)
    start = datetime(2026, 6, 1, 9, tzinfo=UTC)
    records = [record for batch in generate(options, start, start + timedelta(hours=3)) for record in batch]
    assert len(records) > 15_000
    homes = home_partitions([record.key for record in records], 2).tolist()
    found = []
    for partition in (0, 1):
        mine = [record for record, home in zip(records, homes, strict=True) if home == partition]
        for first in range(0, len(mine), BATCH):
            part = mine[first : first + BATCH]
            found.append(Part(partition, first, [record.value for record in part], part[-1].emit_ms + 40))
    return sorted(found, key=lambda part: part.kafka_ms)


@pytest.fixture
def connection(database: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    """A connection of the baselines with the topic in the ledger."""
    monkeypatch.setenv("CLICKSTREAM_HOME", str(Path(__file__).parents[2]))
    settings.cache_clear()
    with store.connect(database.writer) as connection:
        connection.execute("set search_path = clickstream, pg_temp")
        ledger.starting_offsets(connection, ledger.TopicState(TOPIC, "id-1", {0: 0, 1: 0}, {0: 0, 1: 0}))
        yield connection
    settings.cache_clear()


def _by_kernel(database: Any, connection: psycopg.Connection, parts: list[Part]) -> None:
    rules = Rules(gap_ms=1_800_000, late_after_ms=300_000, future_tolerance_ms=300_000)
    writer = Writer(database.writer, ledger.acquire(connection, "test"), rules)
    for part in parts:
        assert writer.apply(piece(TOPIC, part.values, part.partition, part.first, kafka_ms=part.kafka_ms))
    writer.close()


def _columns(part: Part) -> tuple[list[bytes], list[int], list[int], list[bool]]:
    """As a consumer unpacks its messages: values, offsets, Kafka times, history."""
    count = len(part.values)
    return part.values, list(range(part.first, part.first + count)), [part.kafka_ms] * count, [False] * count


def _apply(function: Any, connection: psycopg.Connection, parts: list[Part]) -> None:
    for part in parts:
        function(connection, TOPIC, part.partition, *_columns(part))


def _tables(connection: psycopg.Connection) -> dict[str, list[dict[str, Any]]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return {
            table: sorted(cursor.execute(f"select {columns} from {table}").fetchall(), key=repr)
            for table, columns in TABLES.items()
        }


def _differences(expected: list[dict[str, Any]], found: list[dict[str, Any]]) -> list[dict[str, tuple[Any, Any]]]:
    """Rows that differ, by the columns in which they do."""
    pairs = zip_longest(expected, found, fillvalue={})
    return [{name: (a.get(name), b.get(name)) for name in a | b if a.get(name) != b.get(name)}
            for a, b in pairs if a != b]  # fmt: skip


def _empty(connection: psycopg.Connection) -> None:
    connection.execute(f"truncate {', '.join(set(TABLES) - {'stream_offsets'})}")
    connection.execute("update stream_offsets set next_offset = 0")


def test_the_hand_written_consumer_stores_what_the_kernel_stores(
    database: Any, connection: psycopg.Connection, parts: list[Part]
) -> None:
    _by_kernel(database, connection, parts)
    expected = _tables(connection)
    _empty(connection)
    _apply(handwritten.apply_batch, connection, parts)
    found = _tables(connection)
    for table, rows in expected.items():
        assert rows, f"{table} is empty: nothing was compared"
        assert _differences(rows, found[table])[:3] == [], table


def test_answers_of_kernel_consumer_and_duckdb_are_equal(
    database: Any, connection: psycopg.Connection, parts: list[Part]
) -> None:
    _by_kernel(database, connection, parts)
    said = {"kernel": answers.stored(database.owner, ids_only=False)}
    _empty(connection)
    _apply(handwritten.apply_batch, connection, parts)
    said["by hand"] = answers.stored(database.owner, ids_only=False)
    raw = [
        independent.Raw(value, part.partition, part.first + row, part.kafka_ms)
        for part in parts
        for row, value in enumerate(part.values)
        if isinstance(decode(value), Accepted)
    ]
    with duckdb.connect() as recomputing:
        independent.recompute(recomputing, raw)
        result = recomputing.execute((answers.SQL / "recomputed_answers.sql").read_text())
        names = [column[0] for column in result.description]
        said["duckdb"] = {name: int(value) for name, value in zip(names, result.fetchone(), strict=True)}
    assert answers.differences(said) == []
    assert said["duckdb"].keys() < said["kernel"].keys() == said["by hand"].keys()


def test_ids_only_counts_the_same_events_and_sessions(
    database: Any, connection: psycopg.Connection, parts: list[Part]
) -> None:
    _by_kernel(database, connection, parts)
    sessions = connection.execute("select user_id, started_at, ended_at, events from sessions").fetchall()
    minutes = connection.execute("select minute, sum(events)::bigint from traffic_minute group by minute").fetchall()
    ids = connection.execute("select event_id from event_ids").fetchall()
    _empty(connection)
    ids_only.create(database.owner)
    ids_only.prepare(connection)
    _apply(ids_only.apply, connection, parts)
    stored = connection.execute("select user_id, started_at, ended_at, events from ids_only.sessions").fetchall()
    assert sorted(stored) == sorted(sessions)
    assert sorted(connection.execute("select minute, events from ids_only.minutes").fetchall()) == sorted(minutes)
    assert sorted(connection.execute("select event_id from ids_only.ids").fetchall()) == sorted(ids)


def test_visits_folded_one_by_one_are_the_stored_sessions(
    database: Any, connection: psycopg.Connection, parts: list[Part]
) -> None:
    """What Bytewax keeps for each user; Bytewax itself lives in an environment of its own."""
    _by_kernel(database, connection, parts)
    users: dict[str, Visits] = {}
    seen: set[bytes] = set()
    links: Counter[Link] = Counter()
    for part in parts:
        for row in read(*_columns(part)).events.rows(named=True):
            if row["event_id"] not in seen:
                seen.add(row["event_id"])
                fields = {name: row[name] for name in Seen._fields if name != "value"}
                users.setdefault(row["user_id"], Visits()).add(Seen(**fields, value=b""))
        rows = []
        for user, visits in users.items():
            for visit in visits.visits:
                rows.append(visit.row(user))
                links.update(visit.changed_links(rows[-1]))
    told = connection.execute("select day - date '1970-01-01', step, source, target, sessions from journey_links")
    assert {(*link, count) for link, count in links.items() if count} == {row for row in told if row[-1]}
    with connection.transaction(), connection.cursor() as cursor:
        expected = sorted(cursor.execute(f"select {', '.join(SESSION)} from sessions").fetchall(), key=repr)
        cursor.execute("truncate sessions")
        store.copy(cursor, ("clickstream", "sessions"), session_store.session_frame(rows))
        assert sorted(cursor.execute(f"select {', '.join(SESSION)} from sessions").fetchall(), key=repr) == expected


GOOD = encoded(event(1))
ODD = {
    "empty": b"",
    "tombstone": None,
    "array": b"[]",
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "unknown field": encoded(event(1, plan="b")),
    "unknown field beside properties": encoded(event(1, plan="b", properties={"price": 2.5, "colour": "red"})),
    "no properties": encoded(event(1, properties=None)),
    "deep": encoded(event(1, properties={"a": [[[[[[[[1]]]]]]]]})),
    "eight levels": encoded(event(1, properties={"a": [[[[[[[1]]]]]]]})),
    "large properties": encoded(event(1, properties={"a": "x" * 17_000})),
    "price below zero": encoded(event(1, properties={"price": -1})),
    "not a number": GOOD.replace(b'"user_id"', b'"x":NaN,"user_id"'),
    "half a surrogate": GOOD.replace(b"https://", b"https://\\ud83d"),
    "escaped NUL": GOOD.replace(b"https://", b"https://\\u0000"),
    "custom type": encoded(event(1, kind="video_play")),
    "type in capitals": encoded(event(1, kind="Video")),
    "type with a newline": encoded(event(1, kind="video\n")),
    "no zone": encoded(event(1) | {"event_time": "2026-06-01T12:00:00"}),
    "user too long": encoded(event(1, user="u" * 129)),
    "truncated": GOOD[:40],
}


@pytest.mark.parametrize("name", ODD)
def test_odd_records_are_refused_for_the_same_reason(name: str) -> None:
    value, expected = ODD[name], decode(ODD[name])
    found = read([value], [0], [4_000_000_000_000], [False])
    if isinstance(expected, Rejected):
        assert [bad.reason for bad in found.bad] == [str(expected.reason)]
        assert found.events.is_empty()
    else:
        assert found.bad == []
        assert [json.loads(text) for text in found.events["properties"]] == [json.loads(expected.properties_json)]
