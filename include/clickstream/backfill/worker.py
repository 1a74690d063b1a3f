"""What Spark's Python workers do in a backfill: records to events and fragments, then, user by user, fragments to
sessions. Frames travel between both as IPC bytes, in buckets of users."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from clickstream import sessions
from clickstream.backfill.day import Accepted, Day, near_end, near_start, read_accepted
from clickstream.backfill.policies import measure
from clickstream.backfill.staging import connect, stage_events, stage_sessions
from clickstream.partitioner import home_partitions

if TYPE_CHECKING:
    from pyspark.core.broadcast import Broadcast

BUCKETS = 16
FRAMES_SCHEMA = "bucket int, frame binary"
_CHUNK = 100_000  # records at once

Worker = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class Context:
    """What a worker needs to know; travels with the task."""

    dsn: str
    run: int
    day: Day


def stage_records(context: Context, accepted: "Broadcast[Accepted]") -> Worker:
    """For `mapInArrow` over the day's records (partition, offset, kafka_time, value): stages the accepted events and
    gives their fragments in buckets of users."""

    def stage(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        pieces = []
        with connect(context.dsn) as connection:
            for table in _chunks(batches):
                events = read_accepted(table, accepted.value)
                with connection.transaction(), connection.cursor() as cursor:
                    stage_events(cursor, context.run, events)
                pieces.append(sessions.fragments(events, context.day.gap_ms))
        if pieces:
            yield from _by_bucket(sessions.merge(pl.concat(pieces), context.day.gap_ms))

    return stage


def stage_users(context: Context) -> Worker:
    """For `mapInArrow` over buckets of fragments, each bucket in one task: stages the sessions that lie within the day
    for certain and gives the fragments near its borders."""

    def stage(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        pieces = [pl.read_ipc(io.BytesIO(value)) for batch in batches for value in batch["frame"].to_pylist()]
        if not pieces:
            return
        merged = sessions.merge(pl.concat(pieces), context.day.gap_ms)
        at_border = near_start(context.day) | near_end(context.day)
        with connect(context.dsn) as connection, connection.transaction(), connection.cursor() as cursor:
            stage_sessions(cursor, context.run, merged.filter(~at_border))
        yield _batch(0, merged.filter(at_border))

    return stage


def bucket_events(accepted: "Broadcast[Accepted]") -> Worker:
    """For `mapInArrow` over records: gives the accepted events in buckets of users."""

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for table in _chunks(batches):
            yield from _by_bucket(read_accepted(table, accepted.value))

    return read


def measure_users(day: Day) -> Worker:
    """For `mapInArrow` over buckets of events, each bucket in one task: what each policy makes of them."""

    def judge(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        events = [pl.read_ipc(io.BytesIO(value)) for batch in batches for value in batch["frame"].to_pylist()]
        if events:
            yield _batch(0, measure(pl.concat(events), day))

    return judge


def read_frames(rows: list[bytes]) -> list[pl.DataFrame]:
    """What the workers gave."""
    return [pl.read_ipc(io.BytesIO(row)) for row in rows]


def _chunks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(map(len, held)) >= _CHUNK:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def _by_bucket(frame: pl.DataFrame) -> Iterator[pa.RecordBatch]:
    homes = home_partitions([user.encode() for user in frame["user_id"]], BUCKETS)
    for (bucket,), part in frame.with_columns(_bucket=pl.Series(homes, dtype=pl.UInt32)).group_by("_bucket"):
        yield _batch(int(str(bucket)), part.drop("_bucket"))


def _batch(bucket: int, frame: pl.DataFrame) -> pa.RecordBatch:
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    columns = {"bucket": pa.array([bucket], pa.int32()), "frame": pa.array([buffer.getvalue()], pa.binary())}
    return pa.RecordBatch.from_pydict(columns)
