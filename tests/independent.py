"""Sessions from the raw records by DuckDB: nothing here is shared with the code under test."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import polars as pl
from confluent_kafka import Consumer, TopicPartition

SQL = Path(__file__).with_name("recompute.sql")

STORED = """
select user_id, (extract(epoch from started_at) * 1000)::bigint, (extract(epoch from ended_at) * 1000)::bigint,
       events, page_views, purchases, revenue_e4, entry_page, exit_page, path
from sessions order by user_id collate "C", started_at
"""


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


def sessions(records: Iterable[Raw]) -> list[tuple[Any, ...]]:
    """The sessions that the raw records make; every record given must be an event that the contract accepts,
    but for its time and for being a repeat."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        rows = [(record.value.decode(), record.partition, record.offset, record.kafka_ms) for record in records]
        connection.register("raw", pl.DataFrame(rows, ["value", "partition", "kafka_offset", "kafka_ms"], orient="row"))
        return connection.execute(SQL.read_text()).fetchall()


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
