"""Sessions and journey links from the raw records by DuckDB.

Nothing here is shared with the code under test, but for two lists that have tests of their own: which group a page is
in, and which agents say that they are bots.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import polars as pl
import psycopg
from confluent_kafka import Consumer, TopicPartition

from clickstream.enrich import page_group, read_agent

_SQL = Path(__file__).parent
_TIMES = (
    "started", "ended", "first_search", "first_item_view", "first_cart_add", "first_checkout", "first_payment_info",
    "first_purchase", "first_sign_up",
)  # fmt: skip
_FACTS = """
    user_id, first_event_id::text, events, page_views, clicks, scrolls, searches, item_views, cart_adds, cart_removals,
    checkouts, payment_infos, purchases, sign_ups, logins, revenue_e4, client_session_min, client_session_max,
    entry_page, exit_page, path, path_at, bot, engaged, converted, quarantined
"""
Tables = dict[str, list[tuple[Any, ...]]]


class Raw(NamedTuple):
    """A record as the broker has it."""

    value: bytes
    partition: int
    offset: int
    kafka_ms: int


def is_object(value: bytes) -> bool:
    """Whether a record is a JSON object at all, by the standard library."""
    try:
        return isinstance(json.loads(value), dict)
    except ValueError:
        return False


def recomputed(records: Iterable[Raw]) -> Tables:
    """What the raw records make; every record given must be an event that the contract accepts, but for its time and
    for being a repeat."""
    times = ", ".join(f"{name}_ms" for name in _TIMES)
    with duckdb.connect() as connection:
        recompute(connection, records)
        return {
            "sessions": connection.execute(
                f"select {times}, {_FACTS} from visits order by user_id, started_ms"
            ).fetchall(),
            "journey_links": connection.execute(
                "select day, step, source, target, sessions from links order by all"
            ).fetchall(),
        }


def recompute(connection: duckdb.DuckDBPyConnection, records: Iterable[Raw]) -> None:
    """Make the tables of recompute.sql."""
    rows = [(record.value.decode(), record.partition, record.offset, record.kafka_ms) for record in records]
    connection.register("raw", pl.DataFrame(rows, ["value", "partition", "kafka_offset", "kafka_ms"], orient="row"))
    connection.execute("set timezone = 'UTC'")
    connection.execute((_SQL / "read_raw.sql").read_text())
    connection.create_function("page_group", lambda path: page_group(path), ["VARCHAR"], "VARCHAR")
    connection.create_function("is_declared", lambda agent: read_agent(agent).bot is not None, ["VARCHAR"], "BOOLEAN")
    connection.execute((_SQL / "recompute.sql").read_text())


def stored(reader: psycopg.Connection) -> Tables:
    """What the warehouse holds, in the rows of `recomputed`."""
    times = ", ".join(f"(extract(epoch from {name}_at) * 1000)::bigint" for name in _TIMES)
    return {
        "sessions": reader.execute(
            f'select {times}, {_FACTS} from sessions order by user_id collate "C", started_at'
        ).fetchall(),
        "journey_links": reader.execute(
            "select day - date '1970-01-01', step::int, source, target, sessions from journey_links"
            ' where sessions <> 0 order by 1, 2, source collate "C", target collate "C"'
        ).fetchall(),
    }


def consume(bootstrap: str, topic: str, first: dict[int, int]) -> list[Raw]:
    """Every record of a topic's partitions from the given offsets on, up to the present ends."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.auto.commit": False})
    records: list[Raw] = []
    for partition, offset in first.items():
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        consumer.assign([TopicPartition(topic, partition, offset)])
        wanted = len(records) + end - offset
        while len(records) < wanted:
            batch = consumer.consume(min(wanted - len(records), 10_000), timeout=30)
            assert batch, f"partition {partition} gives no more than {len(records)} records"
            for message in batch:
                assert message.error() is None, message.error()
                records.append(Raw(message.value() or b"", partition, message.offset(), message.timestamp()[1]))
    consumer.close()
    return records
