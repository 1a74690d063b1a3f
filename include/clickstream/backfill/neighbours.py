"""Records of the days around the one that is recomputed, for the users whose sessions may cross its borders."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import psycopg
import pyarrow as pa

from clickstream.archive.columns import user_key
from clickstream.backfill.day import (
    BackfillError,
    Day,
    empty_fragments,
    is_carried,
    near_end,
    near_start,
    prolonged,
    read_records,
)
from clickstream.backfill.staging import accepted_copies
from clickstream.warehouse.frames import statement

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_AHEAD_MS = 6 * 3_600_000  # how far a first look goes; most sessions are over by then


class Neighbours:
    """The archive's records below the run's offset vector, at any time, of some users.

    ``records`` has all columns of the archive, below ``vector``; ``end_ms`` lies after every event time.
    """

    def __init__(
        self,
        spark: "SparkSession",
        records: "DataFrame",
        connection: psycopg.Connection,
        vector: dict[int, int],
        end_ms: int,
    ) -> None:
        self._spark, self._records, self._connection = spark, records, connection
        self._vector, self._end_ms = vector, end_ms

    def resolve(self, border: pl.DataFrame, day: Day) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Fragments near the day's borders as (the day's own sessions, parts of sessions that began before it)."""
        first = border.filter(near_start(day))
        before = self._events(first["user_id"], day.start_ms - day.gap_ms, day.start_ms)
        carried = is_carried(border, before, day.gap_ms)
        return self._prolong(border.filter(~carried), day), border.filter(carried)

    def _prolong(self, own: pl.DataFrame, day: Day) -> pl.DataFrame:
        """Follow the sessions that reach the day's end as far as they go."""
        done, reaching = [own.filter(~near_end(day))], own.filter(near_end(day))
        start, width = day.end_ms, max(_AHEAD_MS, day.gap_ms)
        while len(reaching) and start < self._end_ms:
            reaching = prolonged(reaching, self._events(reaching["user_id"], start, start + width), day)
            start, width = start + width, width * 2
            over = pl.col("ended_ms") < start - day.gap_ms
            done.append(reaching.filter(over))
            reaching = reaching.filter(~over)
        return pl.concat([empty_fragments(), *done, reaching])

    def _events(self, users: pl.Series, start_ms: int, end_ms: int) -> pl.DataFrame:
        """Accepted events of users with times in [start, end), in the columns of `slice.EVENTS_SCHEMA`.

        Raises BackfillError when the archive, or today's contract, does not give each of them.
        """
        from pyspark.sql import functions as F

        wanted = users.unique()
        keys = self._spark.createDataFrame(
            pa.table({"user_key": pa.array([user_key(user) for user in wanted], pa.int64())}), "user_key bigint"
        ).distinct()
        found = (
            self._records.where(F.col("event_date").between(_time(start_ms).date(), _time(end_ms - 1).date()))
            .where((F.col("event_ms") >= start_ms) & (F.col("event_ms") < end_ms))
            .join(F.broadcast(keys), "user_key", "left_semi")
            .select("partition", "offset", "kafka_time", "value")
            .toArrow()
        )
        events = read_records(found)[0].filter(pl.col("user_id").is_in(wanted.to_list()))  # others may share a key
        bound = {
            "users": wanted.to_list(),
            "since": _time(start_ms),
            "until": _time(end_ms),
            "vector": json.dumps(self._vector),
        }
        with self._connection.cursor() as cursor:
            events = accepted_copies(cursor, events)
            row = cursor.execute(statement("backfill/count_neighbours.sql"), bound).fetchone()
        if row != (len(events),):
            raise BackfillError(
                f"users at the day's borders have {row and row[0]} accepted events from {_time(start_ms)} to"
                f" {_time(end_ms)}, of which the archive and today's contract give {len(events)}"
            )
        return events


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC)
