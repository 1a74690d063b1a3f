"""PostgreSQL for the baselines: binary COPY, which events are new, counts, the ledger. Sessions: `session_store`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pgpq
import polars as pl
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from clickstream.settings import settings

from . import fold

LATE_MS = 300_000
Cursor = psycopg.Cursor[TupleRow]
EVENT = (
    "event_id", "event_time", "event_type", "user_id", "session_id", "page_url", "page_path", "page_group", "referrer",
    "referrer_medium", "user_agent", "device", "browser", "bot", "product_id", "category", "properties", "kafka_time",
)  # fmt: skip


@cache
def statement(name: str) -> str:
    """A statement of the baselines' own."""
    return Path(__file__).with_name("sql").joinpath(name).read_text()


@cache
def add_statement(table: str) -> str:
    """The upsert that adds counts to a minute table: the platform's own, one a table."""
    return (settings().home / "sql" / "fold" / f"add_{table}.sql").read_text()


def connect(dsn: str) -> psycopg.Connection:
    """A connection with the temporary tables that a batch needs."""
    connection = psycopg.connect(dsn, options="-c jit=off -c work_mem=64MB -c temp_buffers=64MB", autocommit=True)
    connection.execute(statement("temporary.sql"))
    return connection


def copy(cursor: Cursor, table: tuple[str, ...], frame: pl.DataFrame) -> None:
    """COPY a frame whose columns are the table's into it."""
    if frame.is_empty():
        return
    arrow = frame.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    encoder = pgpq.ArrowToPostgresBinaryEncoder(arrow.schema)
    columns = sql.SQL(", ").join(map(sql.Identifier, frame.columns))
    into = sql.SQL("copy {} ({}) from stdin (format binary)").format(sql.Identifier(*table), columns)
    with cursor.copy(into) as writing:
        writing.write(encoder.write_header())
        for batch in arrow.to_batches():
            writing.write(encoder.write_batch(batch))
        writing.write(encoder.finish())


def new_events(cursor: Cursor, events: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The events whose id is new, sorted by it, and those that say something else than the one with their id."""
    ordered = events.sort("event_id", "kafka_offset")
    first = ordered.unique("event_id", keep="first", maintain_order=True)
    cursor.execute(
        "select event_id, content_hash from clickstream.event_ids where event_id = any(%s::uuid[])", [uuid_array(first)]
    )
    known = pl.DataFrame(
        [(fold.uuid_bytes(event_id), stored) for event_id, stored in cursor],
        {"event_id": pl.Binary, "stored": pl.Int64},
        orient="row",
    )
    fresh = first.join(known, on="event_id", how="anti", maintain_order="left") if len(known) else first
    if len(fresh) == len(ordered):
        return fresh, ordered.clear()
    said = pl.concat([known, fresh.select("event_id", stored="content_hash")])
    repeats = ordered.join(fresh, on="kafka_offset", how="anti")
    return fresh, repeats.join(said, on="event_id").filter(pl.col("content_hash") != pl.col("stored"))


def uuid_array(events: pl.DataFrame) -> str:
    """The event ids as PostgreSQL writes an array."""
    return "{" + (events.select(pl.col("event_id").bin.encode("hex").str.join(",")).item() or "") + "}"


def copy_events(cursor: Cursor, partition: int, events: pl.DataFrame) -> None:
    """Ids, events and what the models must build again."""
    day = time_of("event_ms").dt.date()
    ids = events.select(
        "event_id", day.alias("event_date"), pl.lit(partition, pl.Int32).alias("partition"), "kafka_offset",
        "content_hash",
    )  # fmt: skip
    copy(cursor, ("clickstream", "event_ids"), ids)
    jsonb = (pl.lit(b"\x01") + pl.col("properties")).alias("properties")
    stored = events.with_columns(jsonb, event_time=time_of("event_ms"), kafka_time=time_of("kafka_ms")).select(EVENT)
    copy(cursor, ("clickstream", "events"), stored)
    copy(cursor, ("clickstream", "model_changes"), events.select("user_id", day.alias("day")).unique())


class Refused(NamedTuple):
    """A record that becomes a dead letter."""

    kafka_offset: int
    kafka_ms: int
    reason: str
    detail: str
    payload: bytes | None


def copy_dead_letters(cursor: Cursor, topic: str, partition: int, refused: Sequence[Refused]) -> None:
    """The records that are no events, with the reason."""
    rows = [
        (
            topic,
            partition,
            bad.kafka_offset,
            bad.kafka_ms,
            bad.reason,
            bad.detail.replace("\0", "\\0")[:1_000],
            bad.payload,
        )
        for bad in refused
    ]
    schema = {
        "topic": pl.String, "partition": pl.Int32, "kafka_offset": pl.Int64, "kafka_time": pl.Int64,
        "reason": pl.String, "detail": pl.String, "payload": pl.Binary,
    }  # fmt: skip
    frame = pl.DataFrame(rows, schema, orient="row").with_columns(pl.col("kafka_time").cast(pl.Datetime("ms")))
    copy(cursor, ("clickstream", "dead_letters"), frame)


def late_and_history(events: pl.DataFrame) -> dict[str, int]:
    """How many events came late, and how many a replay or backfill sent."""
    late = (pl.col("kafka_ms") - pl.col("event_ms") > LATE_MS) & ~pl.col("history")
    return {"late": events.select(late.sum()).item(), "history": events["history"].sum()}


def ensure_days(connection: psycopg.Connection, events: pl.DataFrame) -> None:
    """Make the partitions of the events' days, before the transaction that stores them."""
    days = events.select(time_of("event_ms").dt.date().unique())["event_ms"].to_list()
    connection.execute("select clickstream.ensure_event_partitions(%s::date[])", [days])


def hexes(ids: Iterable[bytes]) -> list[str]:
    """Ids as PostgreSQL reads them."""
    return [each.hex() for each in ids]


def add_counts(cursor: Cursor, events: pl.DataFrame, links: Counter[fold.Link]) -> None:
    """Add a batch to the shared tables; last, because their rows are shared with the other partition."""
    traffic, pages, loads = fold.traffic_minute(events), fold.page_minute(events), fold.load_minute(events)
    for table, frame, names in (
        ("traffic_minute", traffic, {"event_type": "event_types", "device": "devices"}),
        ("page_minute", pages, {"page_path": "page_paths", "page_group": "page_groups"}),
        ("load_minute", loads, {"bucket": "buckets"}),
    ):
        aware = frame.with_columns(pl.col("minute").dt.replace_time_zone("UTC")).rename({"minute": "minutes", **names})
        cursor.execute(add_statement(table), aware.to_dict(as_series=False))
    changed = sorted((link, sessions) for link, sessions in links.items() if sessions)
    cursor.execute(
        add_statement("journey_links"),
        {
            "days": [_EPOCH + timedelta(days=link[0]) for link, _ in changed],
            "steps": [link[1] for link, _ in changed],
            "sources": [link[2] for link, _ in changed],
            "targets": [link[3] for link, _ in changed],
            "sessions": [sessions for _, sessions in changed],
        },
    )


def close(
    cursor: Cursor, topic: str, partition: int, offsets: list[int], kafka_ms: list[int], counts: dict[str, int]
) -> None:
    """Move the offset and write the audit row; `counts`: accepted, rejected, late, history."""
    cursor.execute(
        statement("close_batch.sql"),
        {
            "topic": topic,
            "partition": partition,
            "first_offset": offsets[0],
            "next_offset": offsets[-1] + 1,
            "read": len(offsets),
            "duplicate": len(offsets) - counts["accepted"] - counts["rejected"],
            "first_kafka_time": fold.utc(min(kafka_ms)),
            "last_kafka_time": fold.utc(max(kafka_ms)),
            **counts,
        },
    )


def time_of(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Datetime("ms"))


_EPOCH = date(1970, 1, 1)
