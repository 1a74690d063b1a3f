"""What a Spark Python worker does with a partition's records of a batch: Arrow in, transactions, their reports out."""

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from clickstream import enrich
from clickstream.slice import Records
from clickstream.warehouse.apply import Applied, Rules, Slice
from clickstream.warehouse.writer import Writer

REPORT_SCHEMA = "report binary"
_MAX_LATENCY_BUCKETS = 200

# Records of one transaction. A large one meets a session less often; it is what a worker's memory depends on, however
# large the batch is, and while it is applied Spark reads on. The first of a worker is small: figures come sooner.
_SLICE = 200_000
_FIRST_SLICE = 20_000


@dataclass(frozen=True)
class StreamContext:
    """What every worker needs to know; travels with the task, so that a cluster's workers need no settings."""

    writer_dsn: str
    epoch: int
    rules: Rules
    topic: str
    partitions: int


class SliceReport(msgspec.Struct):
    """What the driver learns of an applied slice: times of its stages in ms, (Kafka time in Unix ms, records) pairs."""

    partition: int
    next_offset: int
    accepted: int
    stage_ms: dict[str, float]
    kafka_ms: list[tuple[int, int]]


def slice_worker(context: StreamContext) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function for `mapInArrow`. Columns in: value, partition, offset, timestamp, history."""

    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for table, read_ms in _tables(batches):
            applied = _writer(context).apply(_read_slice(table, context))
            del table  # a hundred megabytes, while the next slice comes
            _settle()
            if applied is not None:
                yield pa.RecordBatch.from_pydict({"report": [msgspec.msgpack.encode(_report(applied, read_ms))]})

    return apply


def _tables(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[pa.Table, float]]:
    """What came, a slice at a time, and how long it was waited for (ms)."""
    began, waiting = time.perf_counter(), []
    for batch in batches:
        waiting.append(batch)
        if sum(each.num_rows for each in waiting) >= (_SLICE if _slices_seen else _FIRST_SLICE):
            yield pa.Table.from_batches(waiting), (time.perf_counter() - began) * 1_000
            began, waiting = time.perf_counter(), []
    if any(batch.num_rows for batch in waiting):
        yield pa.Table.from_batches(waiting), (time.perf_counter() - began) * 1_000


def warm() -> None:
    """Load what the first slice would otherwise wait for."""
    enrich.warm()


def _read_slice(table: pa.Table, context: StreamContext) -> Slice:
    partitions = table["partition"].unique().to_pylist()
    if len(partitions) != 1:
        raise ValueError(f"a slice must come from one Kafka partition, got {partitions}: do not set minPartitions")
    records = Records(
        values=table["value"],
        offsets=table["offset"].to_numpy(),
        kafka_ms=table["timestamp"].cast(pa.int64()).to_numpy() // 1_000,
        history=table["history"].to_numpy(),
    )
    return Slice(context.topic, partitions[0], context.partitions, records)


def _report(applied: Applied, read_ms: float) -> SliceReport:
    """Kafka times in buckets of 10 ms, or as coarse as keeps the report small while catching up."""
    times = applied.kafka_ms
    width = max(10, int(np.ptp(times)) // _MAX_LATENCY_BUCKETS)
    buckets, events = np.unique(times // width * width, return_counts=True)
    return SliceReport(
        partition=applied.partition,
        next_offset=applied.next_offset,
        accepted=applied.accepted,
        stage_ms={"read": read_ms, **applied.stage_ms},
        kafka_ms=list(zip(buckets.tolist(), events.tolist(), strict=True)),
    )


_slices_seen = 0


def _settle() -> None:
    """Take what is loaded for good out of the garbage collector's sight, ever less often.

    PySpark collects all garbage after each task; walking every library was two thirds of a small slice's cost.
    """
    global _slices_seen
    _slices_seen += 1
    if _slices_seen & (_slices_seen - 1) == 0:  # the first, second, fourth, eighth …
        gc.collect()
        gc.freeze()


_writers: dict[StreamContext, Writer] = {}


def _writer(context: StreamContext) -> Writer:
    """One connection a worker process, kept from batch to batch."""
    if context not in _writers:
        for stale in _writers.values():
            stale.close()
        _writers.clear()
        _writers[context] = Writer(context.writer_dsn, context.epoch, context.rules)
    return _writers[context]
