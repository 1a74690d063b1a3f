"""A UTC day's events made into its sessions: which of them are the day's own. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from clickstream import sessions
from clickstream.slice import DEAD_LETTERS_SCHEMA, EVENTS_SCHEMA, Records, decode_slice

Accepted = dict[int, NDArray[np.int64]]  # the offsets of accepted events, by partition

_NO_TOLERANCE_MS = 2**62  # a time was judged when its event was accepted


class BackfillError(Exception):
    """A day cannot be recomputed: told with the cause."""


@dataclass(frozen=True)
class Day:
    """A UTC day and the session gap."""

    date: date
    gap_ms: int

    @property
    def start(self) -> datetime:
        """Midnight."""
        return datetime(self.date.year, self.date.month, self.date.day, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The next midnight."""
        return self.start + timedelta(days=1)

    @property
    def gap(self) -> timedelta:
        """The longest pause inside a session."""
        return timedelta(milliseconds=self.gap_ms)

    @property
    def start_ms(self) -> int:
        """Unix ms."""
        return int(self.start.timestamp()) * 1_000

    @property
    def end_ms(self) -> int:
        """Unix ms."""
        return int(self.end.timestamp()) * 1_000


def read_records(table: pa.Table) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records (partition, offset, kafka_time, value) as events by today's rules, and what today's contract refuses: by
    slice.EVENTS_SCHEMA and DEAD_LETTERS_SCHEMA, with kafka_partition."""
    events = [pl.DataFrame(schema={**EVENTS_SCHEMA, "kafka_partition": pl.Int32})]
    refused = [pl.DataFrame(schema={**DEAD_LETTERS_SCHEMA, "kafka_partition": pl.Int32})]
    partitions = table["partition"].to_numpy()
    found = np.unique(partitions).tolist()
    for partition in found:
        # Nearly always all are of one: what is not copied need not be cleared before.
        own = table if len(found) == 1 else table.filter(partitions == partition)
        decoded = decode_slice(_records(own), _NO_TOLERANCE_MS)
        place = pl.lit(partition, pl.Int32).alias("kafka_partition")
        events.append(decoded.events.with_columns(place))
        refused.append(decoded.dead_letters.with_columns(place))
    return pl.concat(events), pl.concat(refused)


def read_accepted(table: pa.Table, accepted: Accepted) -> pl.DataFrame:
    """The events of those records whose places are listed in `accepted`, as `read_records` gives them.

    Raises BackfillError when today's contract refuses one: what is accepted is decided once, by the stream.
    """
    partitions, offsets = table["partition"].to_numpy(), table["offset"].to_numpy()
    wanted = np.zeros(len(table), dtype=np.bool_)
    for partition, places in accepted.items():
        wanted |= (partitions == partition) & np.isin(offsets, places, assume_unique=True)
    events, refused = read_records(table.filter(wanted))
    for letter in refused.iter_rows(named=True):
        raise BackfillError(
            f"today's contract refuses {len(refused)} events that were accepted, the first at partition"
            f" {letter['kafka_partition']}, offset {letter['kafka_offset']}: {letter['reason']}, {letter['detail']}"
        )
    return events


def _records(table: pa.Table) -> Records:
    return Records(
        values=table["value"],
        offsets=table["offset"].to_numpy(),
        kafka_ms=table["kafka_time"].cast(pa.int64()).to_numpy() // 1_000,
        history=np.zeros(len(table), dtype=np.bool_),
    )


def near_start(day: Day) -> pl.Expr:
    """Of fragments of a day's events: those that an event of the day before could reach."""
    return pl.col("started_ms") < day.start_ms + day.gap_ms


def near_end(day: Day) -> pl.Expr:
    """Of fragments that begin in a day: those that an event of the next day could reach."""
    return pl.col("ended_ms") >= day.end_ms - day.gap_ms


def is_carried(pieces: pl.DataFrame, before: pl.DataFrame, gap_ms: int) -> pl.Series:
    """Which of a day's fragments go on with a session of an earlier day.

    ``before``: user_id, event_ms of events of the gap before the day.
    """
    last = before.group_by("user_id").agg(pl.col("event_ms").max().alias("last_ms"))
    known = pieces.select("user_id", "started_ms").join(last, on="user_id", how="left", maintain_order="left")
    return known.select((pl.col("started_ms") - pl.col("last_ms") <= gap_ms).fill_null(False)).to_series()


def prolonged(pieces: pl.DataFrame, events: pl.DataFrame, day: Day) -> pl.DataFrame:
    """A day's fragments with what later events of the same users add to them; sessions of later days are left out."""
    later = sessions.fragments(events, day.gap_ms)
    merged = sessions.merge(pl.concat([pieces, later]), day.gap_ms)
    return merged.filter(pl.col("started_ms") < day.end_ms)


def empty_fragments() -> pl.DataFrame:
    """No fragments."""
    schema: dict[str, Any] = sessions.FRAGMENT
    return pl.DataFrame(schema=schema)
