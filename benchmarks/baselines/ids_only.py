"""The least that a consumer can store: ids, counts per minute, sessions of start, end and events.

It decodes and refuses as the full consumer does, so that their counts can be compared.
"""

import polars as pl
import psycopg

from . import fold, store
from .records import ids


def prepare(connection: psycopg.Connection) -> None:
    """The temporary tables of a connection."""
    connection.execute(store.statement("ids_only_temporary.sql"))


def create(owner_dsn: str) -> None:
    """Make the tables, as the role that owns the schema."""
    with psycopg.connect(owner_dsn) as connection:
        connection.execute(store.statement("ids_only_tables.sql"))


def apply(
    connection: psycopg.Connection,
    topic: str,
    partition: int,
    values: list[bytes | None],
    offsets: list[int],
    kafka_ms: list[int],
    history: list[bool],
) -> None:
    """Store a batch and the next offset in one transaction."""
    events, rejected = ids(values, kafka_ms)
    with connection.transaction(), connection.cursor() as cursor:
        fresh = _new_ids(cursor, events)
        store.copy(cursor, ("ids_only", "ids"), fresh.select("event_id"))
        if len(fresh):
            _merge_sessions(cursor, fresh)
            _add_minutes(cursor, fresh)
        counts = {"accepted": len(fresh), "rejected": rejected, "late": 0, "history": sum(history)}
        store.close(cursor, topic, partition, offsets, kafka_ms, counts)


def _new_ids(cursor: store.Cursor, events: pl.DataFrame) -> pl.DataFrame:
    """One event for each new id, sorted by it."""
    first = events.sort("event_id").unique("event_id", keep="first", maintain_order=True)
    cursor.execute("select event_id from ids_only.ids where event_id = any(%s::uuid[])", [store.uuid_array(first)])
    known = pl.DataFrame({"event_id": [fold.uuid_bytes(row[0]) for row in cursor]}, {"event_id": pl.Binary})
    return first.join(known, on="event_id", how="anti", maintain_order="left")


def _merge_sessions(cursor: store.Cursor, events: pl.DataFrame) -> None:
    pieces = (
        fold.runs(events)
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("user_id").first(),
            pl.col("event_ms").first().cast(pl.Datetime("ms")).alias("started_at"),
            pl.col("event_ms").last().cast(pl.Datetime("ms")).alias("ended_at"),
            pl.len().cast(pl.Int32).alias("events"),
        )
    )
    numbered = pieces.with_columns(position=pl.int_range(pl.len(), dtype=pl.Int32)).drop("run")
    store.copy(cursor, ("piece",), numbered)
    for step in ("find", "extend", "insert", "join"):
        cursor.execute(store.statement(f"ids_only_{step}.sql"))


def _add_minutes(cursor: store.Cursor, events: pl.DataFrame) -> None:
    minute = (pl.col("event_ms") // 60_000 * 60_000).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC").alias("minute")
    counts = events.group_by(minute).agg(pl.len().alias("events")).sort("minute")
    cursor.execute(
        "insert into ids_only.minutes as stored (minute, events)"
        " select * from unnest(%(minute)s::timestamptz[], %(events)s::bigint[])"
        " on conflict (minute) do update set events = stored.events + excluded.events",
        counts.to_dict(as_series=False),
    )
