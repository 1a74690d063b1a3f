"""What a contender stored, and what DuckDB makes of the same records: figures that must be equal."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from re import compile as pattern
from typing import Any
from uuid import UUID

import duckdb
import polars as pl
import psycopg
from confluent_kafka import Consumer, Message, TopicPartition
from psycopg.rows import dict_row

from clickstream.enrich import page_group, read_agent
from clickstream.settings import Settings
from clickstream.stream.topic import topic_state

SQL = Path(__file__).with_name("sql")
RECOMPUTE = Path(__file__).parents[1] / "tests" / "recompute.sql"
Answers = dict[str, Any]
_SCHEMA = {
    "partition": pl.Int32,
    "kafka_offset": pl.Int64,
    "event_id": pl.String,
    "event_type": pl.String,
    "event_ms": pl.Int64,
    "user_id": pl.String,
    "session_id": pl.String,
    "page_url": pl.String,
    "user_agent": pl.String,
    "price": pl.Float64,
    "quantity": pl.Int64,
}
_SNAKE_CASE = pattern(r"[a-z][a-z0-9_]{0,39}")
_OLDEST_MS, _AHEAD_MS, _LARGEST = 946_684_800_000, 300_000, 65_536


def stored(owner_dsn: str, ids_only: bool) -> Answers:
    """The figures of a contender's database."""
    text = (SQL / ("ids_only_answers.sql" if ids_only else "answers.sql")).read_text()
    with psycopg.connect(owner_dsn, row_factory=dict_row, options="-c timezone=UTC") as connection:
        row = connection.execute(text).fetchone()
    return {name: value if isinstance(value, str) or value is None else int(value) for name, value in row.items()}


def recomputed(platform: Settings) -> Answers:
    """The figures by DuckDB from the topic's records; what is malformed is left out by the standard library's json."""
    with duckdb.connect() as connection:
        connection.register("nothing", pl.DataFrame(schema=_SCHEMA))
        connection.execute("create table accepted as from nothing")
        for rows in _accepted(platform):
            connection.register("chunk", pl.DataFrame(rows, _SCHEMA, orient="row"))
            connection.execute("insert into accepted from chunk")
        connection.create_function("page_group", lambda path: page_group(path), ["VARCHAR"], "VARCHAR")
        connection.create_function("is_declared", lambda agent: bool(read_agent(agent).bot), ["VARCHAR"], "BOOLEAN")
        connection.execute(RECOMPUTE.read_text())
        result = connection.execute((SQL / "recomputed_answers.sql").read_text())
        names = [column[0] for column in result.description]
        return {name: int(value) for name, value in zip(names, result.fetchone(), strict=True)}


def differences(found: dict[str, Answers]) -> list[str]:
    """Each figure in which two do not agree: its name, and who says what. Empty: all answers are equal."""
    lines = []
    for name in sorted({name for answers in found.values() for name in answers}):
        said = {who: answers[name] for who, answers in found.items() if name in answers}
        if len(set(said.values())) > 1:
            lines.append(f"{name}: " + ", ".join(f"{who} {value}" for who, value in said.items()))
    return lines


def _accepted(platform: Settings) -> Iterator[list[tuple[Any, ...]]]:
    end = topic_state(platform.kafka_bootstrap, platform.topic).end
    consumer = Consumer(
        {"bootstrap.servers": platform.kafka_bootstrap, "group.id": "answers", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(platform.topic, partition, 0) for partition in end])
    left = sum(end.values())
    while left:
        messages = consumer.consume(50_000, timeout=10)
        if not messages:
            raise RuntimeError(f"the broker gave no records for 10 s, {left:,} are missing")
        left -= len(messages)
        yield [row for row in map(_row, messages) if row]
    consumer.close()


def _row(message: Message) -> tuple[Any, ...] | None:
    """The record in the columns of _SCHEMA; None when it breaks the contract."""
    value = message.value() or b""
    try:
        event = json.loads(value.decode(), parse_constant=_refuse)
        moment = datetime.fromisoformat(event["event_time"])
        texts = [event[name] for name in ("event_type", "user_id", "page_url")]
        "".join(texts).encode()  # half a surrogate cannot be encoded
        event_id = str(UUID(event["event_id"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    event_ms = round(moment.timestamp() * 1_000) if moment.tzinfo else 0
    kind, user_id, page_url = texts
    late_enough = _OLDEST_MS <= event_ms <= message.timestamp()[1] + _AHEAD_MS
    if len(value) > _LARGEST or "\0" in user_id + page_url or not late_enough or not _SNAKE_CASE.fullmatch(kind):
        return None
    properties = event.get("properties") or {}
    place = message.partition(), message.offset()
    money = properties.get("price"), properties.get("quantity")
    return (
        *place, event_id, kind, event_ms, user_id, event.get("session_id"), page_url, event.get("user_agent"), *money,
    )  # fmt: skip


def _refuse(constant: str) -> None:
    raise ValueError(constant)
