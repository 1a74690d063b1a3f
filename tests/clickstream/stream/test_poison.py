"""Hostile records: each a dead letter with its reason or a stored event, the batch lives, honest rows are untouched."""

import json
import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest
import redis
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from typer.testing import CliRunner

from builders import encoded, piece
from clickstream.cli import app
from clickstream.settings import Settings
from clickstream.slice import decode_slice
from clickstream.warehouse import ledger
from clickstream.warehouse.apply import Rules
from clickstream.warehouse.writer import Writer
from waiting import wait_until

from .conftest import Stream
from .poison import BROKER_LIMIT, DUPLICATE, POISONS, STORED, USER, Headers, Poison, base, honest

NOW_MS = time.time_ns() // 1_000_000
RULES = Rules(gap_ms=1_800_000, late_after_ms=300_000, future_tolerance_ms=300_000)
EVENTS = """
select event_id::text, floor(extract(epoch from event_time) * 1000)::bigint, event_type, user_id, session_id, page_url,
       referrer, user_agent, properties::text
from clickstream.events
"""
TOTALS = """
select sum(read)::int, sum(accepted)::int, sum(duplicate)::int, sum(rejected)::int from clickstream.stream_slices
"""


class Sent(NamedTuple):
    """A record and what must become of it."""

    name: str
    value: bytes | None
    expected: str
    key: bytes | None = USER.encode()
    headers: Headers | None = None


def said(value: bytes) -> tuple[Any, ...]:
    """What a record says, by the standard library: the last of repeated names counts, unknown fields are properties."""
    document = json.loads(value, parse_int=Decimal)
    names = ("event_id", "event_time", "event_type", "user_id", "session_id", "page_url", "referrer", "user_agent")
    known = [document.pop(name, None) for name in names]
    properties = document.pop("properties", None) or {}
    moment = datetime.fromisoformat(known[1].upper())
    return (str(UUID(known[0])), int(moment.timestamp() * 1_000), *known[2:], document | properties)


def same(sent: Any, stored: Any) -> bool:
    """Whether a stored JSON value is the one that was sent: whole numbers exactly, others as doubles."""
    if isinstance(sent, dict):
        return isinstance(stored, dict) and sent.keys() == stored.keys() and all(same(sent[k], stored[k]) for k in sent)
    if isinstance(sent, list):
        return isinstance(stored, list) and len(sent) == len(stored) and all(map(same, sent, stored))
    if isinstance(sent, float):
        return isinstance(stored, float | Decimal) and float(stored) == sent
    return type(sent) is type(stored) and bool(sent == stored)


def differs(value: bytes, stored: tuple[Any, ...] | None) -> str:
    """How a stored row (as EVENTS gives it) differs from what its record says; empty when it does not."""
    if stored is None:
        return "not stored"
    *columns, properties = stored
    *expected, given = said(value)
    if columns != expected:
        return f"stored {columns}, said {expected}"
    found = json.loads(properties, parse_int=Decimal)
    return "" if same(given, found) else f"stored properties {str(found)[:200]}, said {str(given)[:200]}"


def made(poison: Poison, number: int, now_ms: int) -> Sent:
    return Sent(poison.name, poison.build(base(number, now_ms)), poison.expected, poison.key, poison.headers)


def all_records(now_ms: int) -> list[Sent]:
    """Each hostile record between two honest ones of the same user, and two of another user at the ends."""
    records = [
        Sent("honest", encoded(honest(-1, now_ms, "bob")), STORED, b"bob"),
        Sent("honest", encoded(honest(0, now_ms)), STORED),
    ]
    for number, poison in enumerate(POISONS, 1):
        records += [made(poison, number, now_ms), Sent("honest", encoded(honest(number, now_ms)), STORED)]
    return [*records, Sent("honest", encoded(honest(len(POISONS) + 1, now_ms, "bob")), STORED, b"bob")]


def wrong(connection: psycopg.Connection, records: Iterable[tuple[Sent, tuple[int, int]]]) -> dict[str, str]:
    """What became of records otherwise than it must, by name; a place is (partition, offset)."""
    events = {row[0]: row for row in connection.execute(EVENTS)}
    letters = {
        (partition, offset): (reason, payload)
        for partition, offset, reason, payload in connection.execute(
            "select partition, kafka_offset, reason, payload from clickstream.dead_letters"
        )
    }
    found: dict[str, str] = {}
    for record, place in records:
        reason, payload = letters.pop(place, (None, None))
        if record.expected in (STORED, DUPLICATE):
            assert record.value is not None
            trouble = f"refused: {reason}" if reason else ""
            if record.expected == STORED:
                trouble = trouble or differs(record.value, events.pop(said(record.value)[0], None))
        else:
            trouble = "" if reason == record.expected else f"{reason} instead of {record.expected}"
            trouble = trouble or ("" if payload == record.value else "another payload")
        if trouble:
            found[record.name] = trouble
    found |= {f"letter at {place}": reason for place, (reason, _) in letters.items()}
    return found | {f"event {event_id}": "was never sent" for event_id in events}


def test_the_table_is_large_and_no_name_stands_for_two() -> None:
    assert len(POISONS) >= 60
    assert [name for name, count in Counter(poison.name for poison in POISONS).items() if count > 1] == []


@pytest.mark.parametrize("number", range(len(POISONS)), ids=[poison.name for poison in POISONS])
def test_each_is_decoded_to_its_end(number: int) -> None:
    record = made(POISONS[number], number, NOW_MS)
    decoded = decode_slice(piece("events", [record.value], kafka_ms=NOW_MS).records, RULES.future_tolerance_ms)
    if record.expected in (STORED, DUPLICATE, "conflict"):
        assert decoded.dead_letters.rows() == []
        assert record.value is not None
        [row] = decoded.events.iter_rows(named=True)
        columns = (
            "event_ms",
            "event_type",
            "user_id",
            "session_id",
            "page_url",
            "referrer",
            "user_agent",
            "properties",
        )
        assert differs(record.value, (str(UUID(bytes=row["event_id"])), *(row[name] for name in columns))) == ""
    else:
        assert len(decoded.events) == 0
        [letter] = decoded.dead_letters.iter_rows(named=True)
        assert (letter["reason"], letter["payload"]) == (record.expected, record.value)
        assert letter["detail"]


def test_one_transaction_takes_them_all(platform: Settings) -> None:
    """Without Spark. Where it does not, each alone says which one PostgreSQL refuses."""
    dsn = platform.postgres_writer.get_secret_value()
    records, failed = all_records(NOW_MS), dict[str, str]()
    with psycopg.connect(dsn, autocommit=True) as connection:
        ledger.starting_offsets(connection, ledger.TopicState("events", "id", {0: 0}, {0: 0}))
        writer = Writer(dsn, ledger.acquire(connection, "test"), RULES, patience_seconds=0)

        def apply(some: list[Sent], first: int = 0) -> None:
            writer.apply(piece("events", [record.value for record in some], 0, first, 1, NOW_MS))

        try:
            apply(records)
        except Exception:
            for record in list(records):
                try:
                    apply([record], read(connection))
                except Exception as error:
                    failed[record.name] = f"{type(error).__name__}: {error}"
                    records.remove(record)
        writer.close()
        placed = [(0, offset) for offset in range(len(records))]
        assert failed == {}
        assert wrong(connection, zip(records, placed, strict=True)) == {}


def test_the_stream_survives_them_all_and_takes_back_what_is_mended(
    platform: Settings, start_stream: Stream, reader: psycopg.Connection
) -> None:
    admin = AdminClient({"bootstrap.servers": platform.kafka_bootstrap})
    entry = ConfigEntry("max.message.bytes", str(BROKER_LIMIT), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, platform.topic, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(30)
    records = all_records(time.time_ns() // 1_000_000)
    placed = produce(platform, records)
    ends = Counter(partition for partition, _ in placed)
    job = start_stream()
    wait_until(lambda: read(reader) == len(records), f"{len(records)} records in the ledger", alive=job.running)
    assert wrong(reader, zip(records, placed, strict=True)) == {}
    expected = Counter(record.expected for record in records)
    accepted, repeated = expected[STORED], expected[DUPLICATE]
    rejected = len(records) - accepted - repeated
    assert reader.execute(TOTALS).fetchone() == (len(records), accepted, repeated, rejected)
    per_partition = (
        "select partition, sum(read)::int, sum(accepted + duplicate + rejected)::int, max(next_offset)::int"
        " from stream_slices group by partition order by partition"
    )
    assert reader.execute(per_partition).fetchall() == [(p, n, n, n) for p, n in sorted(ends.items())]
    counted = "select sum(events)::int from sessions union all select sum(events)::int from traffic_minute"
    assert reader.execute(counted).fetchall() == [(accepted,), (accepted,)]
    live = redis.Redis.from_url(platform.redis_url.get_secret_value(), decode_responses=True)
    wait_until(lambda: live.hget("live:performance", "lag_events") == "0", "a live view without lag", alive=job.running)

    back = Counter[str]()
    for options in (
        ("--contains", "$.user_id", "--set", f'user_id="{USER}"'),
        ("--contains", "$.event_id", "--unset", "event_id"),
        ("--reason", "conflict", "--unset", "event_id"),
    ):
        answer = CliRunner().invoke(app, ["dead-letters", "replay", "--json", *options])
        back.update(json.loads(line)["state"] for line in answer.stdout.splitlines())
    assert back["sent"] >= 20
    total = len(records) + back["sent"]
    wait_until(lambda: read(reader) == total, f"{back['sent']} mended events", alive=job.running)
    assert reader.execute(TOTALS).fetchone() == (total, accepted + back["sent"], repeated, rejected)
    marked = (
        "select count(*)::int, count(distinct event_id)::int from dead_letters"
        " left join events on event_id = replayed_event_id where replayed_at is not null"
    )
    assert reader.execute(marked).fetchone() == (back["sent"], back["sent"])
    again = CliRunner().invoke(
        app, ["dead-letters", "replay", "--again", "--contains", "$.event_id", "--unset", "event_id"]
    )
    repeats = reader.execute(
        "select count(*)::int from dead_letters where replayed_at is not null and strpos(detail, '$.event_id') > 0"
    ).fetchone()[0]
    assert f"{repeats:,} sent" in again.stdout
    wait_until(lambda: read(reader) == total + repeats, f"{repeats} repeats", alive=job.running)
    assert reader.execute(TOTALS).fetchone() == (
        total + repeats, accepted + back["sent"], repeated + repeats, rejected,
    )  # fmt: skip
    assert job.stop() in (0, 143)


def read(reader: psycopg.Connection) -> int:
    return int(reader.execute("select coalesce(sum(read), 0) from clickstream.stream_slices").fetchone()[0])


def produce(platform: Settings, records: list[Sent]) -> list[tuple[int, int]]:
    """Send the records in order; where each lies (partition, offset)."""
    placed: dict[int, tuple[int, int]] = {}
    producer = Producer(
        {
            "bootstrap.servers": platform.kafka_bootstrap,
            "partitioner": "murmur2_random",
            "message.max.bytes": BROKER_LIMIT,
            "enable.idempotence": True,
        }
    )
    for number, record in enumerate(records):

        def delivered(error: Any, message: Message, number: int = number) -> None:
            assert error is None, error
            placed[number] = (message.partition(), message.offset())

        producer.produce(platform.topic, record.value, record.key, headers=record.headers, on_delivery=delivered)
        producer.poll(0)
    assert producer.flush(60) == 0
    return [placed[number] for number in range(len(records))]
