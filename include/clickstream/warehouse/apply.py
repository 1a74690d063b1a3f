"""One partition slice, one transaction: every event once, whatever is killed.

The order matters. The ledger row is locked first, so that a second writer of the same partition waits and then
finds its records applied. Shared rows (minutes) are merged last, so that their locks are short.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import psycopg
from numpy.typing import NDArray
from psycopg.rows import TupleRow

from clickstream import counts, sessions
from clickstream.partitioner import home_partitions
from clickstream.slice import Decoded, Records, conflicts
from clickstream.warehouse.adapt import TimestampArray, UuidArray
from clickstream.warehouse.frames import copy_frame, jsonb, statement, time_of
from clickstream.warehouse.ledger import LEASE, LeaseLostError, LedgerError, OffsetGapError
from clickstream.warehouse.session_table import read_sessions, session_table

_SESSION_LOCKS = 0x5E55  # first key of the advisory locks on users' home partitions


@dataclass(frozen=True)
class Rules:
    """What the fold needs to know; milliseconds."""

    gap_ms: int
    late_after_ms: int
    future_tolerance_ms: int


@dataclass(frozen=True)
class Slice:
    """Records of one topic partition; `partitions` is how many the topic has."""

    topic: str
    partition: int
    partitions: int
    records: Records


@dataclass(frozen=True)
class Applied:
    """The audit of an applied slice: read = accepted + duplicate + rejected."""

    partition: int
    next_offset: int
    read: int
    accepted: int
    duplicate: int
    rejected: int
    late: int
    history: int
    kafka_ms: NDArray[np.int64]


def apply_slice(
    connection: psycopg.Connection, piece: Slice, decoded: Decoded, epoch: int, rules: Rules
) -> Applied | None:
    """Deduplicate, fold and store a decoded slice exactly once; None when the ledger is past all of it.

    Raises LeaseLostError, OffsetGapError or LedgerError where it must not be applied, and psycopg's errors;
    after any of them nothing is stored. UniqueViolation and DeadlockDetected: another slice was first, try again.
    """
    with connection.transaction(), connection.cursor(binary=True) as cursor:
        next_offset = _lock(cursor, piece, epoch)
        offsets = piece.records.offsets
        if offsets[-1] < next_offset:
            return None
        if offsets[0] > next_offset:
            raise OffsetGapError(
                f"topic {piece.topic}, partition {piece.partition}: the slice starts at {offsets[0]},"
                f" the ledger is at {next_offset}"
            )
        fresh = pl.col("kafka_offset") >= next_offset
        decoded = Decoded(decoded.events.filter(fresh), decoded.dead_letters.filter(fresh))
        accepted, refused = _deduplicate(cursor, decoded.events, piece.records)
        dead_letters = pl.concat([decoded.dead_letters, refused])
        _store(cursor, piece, accepted, dead_letters)
        _fold_sessions(cursor, piece, accepted, rules.gap_ms)
        _add_counts(cursor, accepted)
        applied = _audit(piece, rules, next_offset, decoded, accepted, len(refused))
        _close(cursor, piece, epoch, next_offset, applied)
        return applied


def _lock(cursor: psycopg.Cursor[TupleRow], piece: Slice, epoch: int) -> int:
    cursor.execute(
        statement("fold/lock_slice.sql"), {"topic": piece.topic, "partition": piece.partition, "lease": LEASE}
    )
    row = cursor.fetchone()
    if row is None:
        raise LedgerError(f"topic {piece.topic}, partition {piece.partition}: not in the ledger")
    next_offset, holder = row
    if holder != epoch:
        raise LeaseLostError(f"epoch {epoch} no longer holds the lease: epoch {holder} does")
    return int(next_offset)


def _deduplicate(
    cursor: psycopg.Cursor[TupleRow], events: pl.DataFrame, records: Records
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The events to store, sorted by id, and dead letters for known ids with other content."""
    keys = (
        events.select("event_id", "kafka_offset", "content_hash").with_row_index("row").sort("event_id", "kafka_offset")
    )
    first = pl.col("event_id").ne_missing(pl.col("event_id").shift())
    keys = keys.with_columns(first=first, position=first.cum_sum().cast(pl.Int64) - 1)
    cursor.execute(statement("fold/known_ids.sql"), {"ids": UuidArray(keys.filter("first")["event_id"].to_list())})
    known = pl.DataFrame(cursor.fetchall(), schema={"position": pl.Int64, "stored": pl.Int64}, orient="row")
    keys = keys.join(known, on="position", how="left", maintain_order="left")
    accepted = events[keys.filter(pl.col("first") & pl.col("stored").is_null())["row"]]
    # What a repeat must equal: the stored copy, or the first of this slice.
    reference = pl.coalesce("stored", pl.col("content_hash").first().over("position"))
    other = keys.filter(pl.col("content_hash") != reference) if len(accepted) < len(events) else keys.clear()
    return accepted, conflicts(other, records)


def _store(cursor: psycopg.Cursor[TupleRow], piece: Slice, accepted: pl.DataFrame, dead_letters: pl.DataFrame) -> None:
    partition = pl.lit(piece.partition, pl.Int32).alias("partition")
    copy_frame(
        cursor,
        "event_ids",
        accepted.select(
            "event_id", time_of("event_ms").dt.date().alias("event_date"), partition, "kafka_offset", "content_hash"
        ),
    )
    copy_frame(
        cursor,
        "events",
        accepted.select(
            "event_id", time_of("event_ms").alias("event_time"), "event_type", "user_id", "session_id", "page_url",
            "page_path", "referrer", "referrer_medium", "user_agent", "device", "browser", "bot",
            jsonb("properties"), time_of("kafka_ms").alias("kafka_time"),
        ),
    )  # fmt: skip
    copy_frame(cursor, "model_changes", accepted.select("user_id", time_of("event_ms").dt.date().alias("day")).unique())
    copy_frame(
        cursor,
        "dead_letters",
        dead_letters.select(
            pl.lit(piece.topic).alias("topic"), partition, "kafka_offset",
            time_of("kafka_ms").alias("kafka_time"), "reason", "detail", "payload",
        ),
    )  # fmt: skip


def _fold_sessions(cursor: psycopg.Cursor[TupleRow], piece: Slice, accepted: pl.DataFrame, gap_ms: int) -> None:
    if accepted.is_empty():
        return
    pieces = sessions.fragments(accepted, gap_ms)
    # A user may stand in two slices when a producer does not key by user. Locks are taken in order; when
    # producers do key by user, each slice has only its own.
    homes = np.unique(home_partitions([user.encode() for user in pieces["user_id"].unique()], piece.partitions))
    for home in homes.tolist():
        cursor.execute("select pg_advisory_xact_lock(%s, %s)", [_SESSION_LOCKS, home])
    cursor.execute(
        statement("fold/touched_sessions.sql"),
        {
            "users": pieces["user_id"].to_list(),
            "starts": TimestampArray(pieces["started_ms"].to_numpy()),
            "ends": TimestampArray(pieces["ended_ms"].to_numpy()),
            "gap": timedelta(milliseconds=gap_ms),
        },
    )
    stored = read_sessions(cursor.fetchall())
    merged = sessions.merge(pl.concat([stored.drop("session_id"), pieces]), gap_ms)
    rows = sessions.session_rows(merged)
    known = rows.join(stored, on="session_id", how="semi")
    gone = stored.join(rows, on="session_id", how="anti")["session_id"].to_list()
    if gone:
        cursor.execute("delete from clickstream.sessions where session_id = any(%s)", [UuidArray(gone)])
    copy_frame(cursor, "sessions", session_table(rows.join(stored, on="session_id", how="anti")))
    if len(known):
        cursor.execute(statement("fold/session_changes.sql"))
        copy_frame(cursor, "session_changes", session_table(known), schema="pg_temp")
        cursor.execute(statement("fold/extend_sessions.sql"))


def _add_counts(cursor: psycopg.Cursor[TupleRow], accepted: pl.DataFrame) -> None:
    if accepted.is_empty():
        return
    traffic = counts.traffic_minute(accepted)
    cursor.execute(
        statement("fold/add_traffic_minute.sql"),
        {
            "minutes": TimestampArray(traffic["minute_ms"].to_numpy()),
            "event_types": traffic["event_type"].to_list(),
            "devices": traffic["device"].to_list(),
            "is_bot": traffic["is_bot"].to_list(),
            "events": traffic["events"].to_list(),
            "revenue_e4": traffic["revenue_e4"].to_list(),
        },
    )
    pages = counts.page_minute(accepted)
    cursor.execute(
        statement("fold/add_page_minute.sql"),
        {
            "minutes": TimestampArray(pages["minute_ms"].to_numpy()),
            "page_paths": pages["page_path"].to_list(),
            "is_bot": pages["is_bot"].to_list(),
            "views": pages["views"].to_list(),
        },
    )
    loads = counts.load_minute(accepted)
    cursor.execute(
        statement("fold/add_load_minute.sql"),
        {
            "minutes": TimestampArray(loads["minute_ms"].to_numpy()),
            "buckets": loads["bucket"].to_list(),
            "is_bot": loads["is_bot"].to_list(),
            "loads": loads["loads"].to_list(),
        },
    )


def _audit(
    piece: Slice, rules: Rules, first_offset: int, decoded: Decoded, accepted: pl.DataFrame, conflicting: int
) -> Applied:
    records = piece.records
    skipped = int(np.searchsorted(records.offsets, first_offset))
    is_late = (pl.col("kafka_ms") - pl.col("event_ms") > rules.late_after_ms) & ~pl.col("history")
    return Applied(
        partition=piece.partition,
        next_offset=int(records.offsets[-1]) + 1,
        read=len(records.offsets) - skipped,
        accepted=len(accepted),
        duplicate=len(decoded.events) - len(accepted) - conflicting,
        rejected=len(decoded.dead_letters) + conflicting,
        late=accepted.select(is_late.sum()).item(),
        history=int(accepted["history"].sum()),
        kafka_ms=records.kafka_ms[skipped:],
    )


def _close(cursor: psycopg.Cursor[TupleRow], piece: Slice, epoch: int, first_offset: int, applied: Applied) -> None:
    """Move the ledger and write the audit row, whose check holds read = accepted + duplicate + rejected."""
    cursor.execute(
        statement("fold/close_slice.sql"),
        {
            "topic": piece.topic,
            "partition": piece.partition,
            "first_offset": first_offset,
            "next_offset": applied.next_offset,
            "epoch": epoch,
            "read": applied.read,
            "accepted": applied.accepted,
            "duplicate": applied.duplicate,
            "rejected": applied.rejected,
            "late": applied.late,
            "history": applied.history,
            "first_kafka_time": _utc(int(applied.kafka_ms.min())),
            "last_kafka_time": _utc(int(applied.kafka_ms.max())),
        },
    )


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC)
