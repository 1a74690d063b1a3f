"""One partition slice, one transaction: every event once, whatever is killed.

The order matters. The ledger row is locked first, so that a second writer of the same partition waits and then
finds its records applied. Shared rows (minutes) are merged last, so that their locks are short.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl
import psycopg
from numpy.typing import NDArray
from psycopg.rows import TupleRow

from clickstream.erasure.tombstones import erased_users, without_erased
from clickstream.settings import Settings
from clickstream.slice import Decoded, Records, conflicts
from clickstream.warehouse.adapt import UuidArray
from clickstream.warehouse.fold import add_counts, fold_sessions
from clickstream.warehouse.frames import copy_frame, jsonb, statement, time_of
from clickstream.warehouse.ledger import LEASE, LeaseLostError, LedgerError, OffsetGapError
from clickstream.warehouse.retention import stored_horizon, without_expired

_HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Rules:
    """What the fold needs to know; milliseconds."""

    gap_ms: int
    late_after_ms: int
    future_tolerance_ms: int

    @classmethod
    def of(cls, settings: Settings) -> "Rules":
        """As the platform is set."""
        return cls(
            gap_ms=settings.session_gap_seconds * 1_000,
            late_after_ms=settings.late_after_seconds * 1_000,
            future_tolerance_ms=settings.future_tolerance_seconds * 1_000,
        )


@dataclass(frozen=True)
class Slice:
    """Records of one topic partition; `partitions` is how many the topic has."""

    topic: str
    partition: int
    partitions: int
    records: Records


@dataclass(frozen=True)
class Applied:
    """The audit of an applied slice: read = accepted + duplicate + rejected. `stage_ms`: what took how long."""

    partition: int
    next_offset: int
    read: int
    accepted: int
    duplicate: int
    rejected: int
    late: int
    history: int
    kafka_ms: NDArray[np.int64]
    stage_ms: dict[str, float]


class Stopwatch:
    """Milliseconds of the stages of one piece of work, by name; `lap` ends a stage."""

    def __init__(self) -> None:
        self.stage_ms: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.stage_ms[stage] = (now - self._since) * 1_000
        self._since = now


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
        watch = Stopwatch()
        fresh = pl.col("kafka_offset") >= next_offset
        decoded = Decoded(decoded.events.filter(fresh), decoded.dead_letters.filter(fresh))
        decoded = without_erased(decoded, erased_users(cursor))
        decoded = without_expired(decoded, piece.records, stored_horizon(cursor))
        accepted, refused = _deduplicate(cursor, decoded.events, piece.records)
        watch.lap("deduplicate")
        dead_letters = pl.concat([decoded.dead_letters, refused])
        _store(cursor, piece, accepted, dead_letters)
        watch.lap("store")
        late = accepted.filter((pl.col("kafka_ms") - pl.col("event_ms") > rules.late_after_ms) & ~pl.col("history"))
        times = [pl.Series([piece.records.kafka_ms.max()]), accepted["event_ms"], accepted["kafka_ms"]]
        if len(accepted):
            folded = fold_sessions(cursor, accepted, late, rules.gap_ms, piece.partitions)
            watch.lap("sessions")
            add_counts(cursor, accepted, folded.links)
            watch.lap("counts")
            times.append(folded.starts)
        _store_changed_hours(cursor, pl.concat(times))
        applied = _audit(piece, next_offset, decoded, accepted, len(refused), len(late), watch)
        _close(cursor, piece, epoch, next_offset, applied)
    watch.lap("commit")
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
            "page_path", "page_group", "referrer", "referrer_medium", "user_agent", "device", "browser", "bot",
            "product_id", "category", jsonb("properties"), time_of("kafka_ms").alias("kafka_time"),
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


def _store_changed_hours(cursor: psycopg.Cursor[TupleRow], times: pl.Series) -> None:
    """What the models by hour must build again: where events, their arrival and changed sessions lie (Unix ms)."""
    hours = (times // _HOUR_MS * _HOUR_MS).unique().alias("hour")
    copy_frame(cursor, "changed_hours", hours.to_frame().select(time_of("hour")))


def _audit(
    piece: Slice,
    first_offset: int,
    decoded: Decoded,
    accepted: pl.DataFrame,
    conflicting: int,
    late: int,
    watch: Stopwatch,
) -> Applied:
    records = piece.records
    skipped = int(np.searchsorted(records.offsets, first_offset))
    return Applied(
        partition=piece.partition,
        next_offset=int(records.offsets[-1]) + 1,
        read=len(records.offsets) - skipped,
        accepted=len(accepted),
        duplicate=len(decoded.events) - len(accepted) - conflicting,
        rejected=len(decoded.dead_letters) + conflicting,
        late=late,
        history=int(accepted["history"].sum()),
        kafka_ms=records.kafka_ms[skipped:],
        stage_ms=watch.stage_ms,
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
