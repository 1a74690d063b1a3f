"""Around the slices: take the lease, start Spark from the ledger, keep the pulse, judge minutes, stop cleanly.

Each run has a checkpoint of its own and starts where the ledger stands, so a lost, stale or foreign checkpoint
cannot exist. Whatever ends the run, the next one takes the lease at once and goes on from the ledger.
"""

import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psycopg
import pyarrow as pa

from clickstream.settings import Settings
from clickstream.stream.pulse import Pulse
from clickstream.stream.scorer import Scorer
from clickstream.stream.topic import EndOffsets, topic_state
from clickstream.stream.worker import REPORT_SCHEMA, SliceReport, StreamContext, slice_worker, warm
from clickstream.warehouse import ledger
from clickstream.warehouse.apply import Rules

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

log = logging.getLogger(__name__)
_GRACE_SECONDS = 20

# Who made a record, by its header `source`: history is old but not late.
# (A lambda would say it more plainly, but Spark interprets lambdas, record by record.)
_HISTORY = "coalesce({}, false)".format(
    " or ".join(
        f"array_contains(headers, named_struct('key', 'source', 'value', cast('{source}' as binary)))"
        for source in ("replay", "backfill")
    )
)


def run(spark: "SparkSession", settings: Settings, run_for: float) -> None:
    """Stream until `run_for` seconds are over, SIGTERM comes or the lease is lost.

    Raises ledger.LedgerError when ledger and topic do not fit, ledger.LeaseLostError when another driver took
    over, and Spark's StreamingQueryException when a batch failed.
    """
    stopping = _stop_on_signals()
    dsn = settings.postgres_writer.get_secret_value()
    state = topic_state(settings.kafka_bootstrap, settings.topic)
    with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
        epoch = ledger.acquire(connection, f"{socket.gethostname()}:{os.getpid()}")
        offsets = ledger.starting_offsets(connection, state)
    log.info("lease epoch %d; starting offsets %s", epoch, offsets)
    context = StreamContext(dsn, epoch, Rules.of(settings), settings.topic, len(offsets))
    end_offsets = EndOffsets(settings.kafka_bootstrap, settings.topic, sorted(offsets))
    pulse = Pulse(
        dsn, settings.redis_url.get_secret_value(), epoch, end_offsets, dict(offsets), partial(_end, stopping)
    )
    pulse.start()  # before the workers: what is stored already is live at once
    scorer = Scorer(dsn, epoch, settings.topic, EndOffsets(settings.kafka_bootstrap, settings.topic, sorted(offsets)))
    scorer.start()
    warming = threading.Thread(target=_warm_workers, args=(spark,), name="warm", daemon=True)
    warming.start()  # beside the query's own start, which is the JVM's work
    query = _start_query(spark, settings, offsets, context, pulse)
    try:
        _wait(query, pulse, stopping, run_for)
    finally:
        query.stop()
        scorer.stop()
        pulse.stop()
        end_offsets.close()
    if pulse.lost:
        raise ledger.LeaseLostError(pulse.lost)


def _stop_on_signals() -> threading.Event:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def _end(stopping: threading.Event) -> None:
    """Stop in good order; a JVM that is gone may let that hang, and then there is nothing to put in order."""
    stopping.set()
    last_resort = threading.Timer(_GRACE_SECONDS, os._exit, [1])
    last_resort.daemon = True
    last_resort.start()


def _warm_workers(spark: "SparkSession") -> None:
    """Start every Python worker and load its libraries before the first batch: lazy imports cost seconds."""

    def load(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        warm()
        yield from batches

    slots = spark.sparkContext.defaultParallelism
    spark.range(0, slots, 1, slots).mapInArrow(load, "id long").collect()


def _start_query(
    spark: "SparkSession", settings: Settings, offsets: dict[int, int], context: StreamContext, pulse: Pulse
) -> "StreamingQuery":
    starting = msgspec.json.encode({settings.topic: {str(p): offset for p, offset in offsets.items()}}).decode()
    records = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.kafka_bootstrap)
        .option("subscribe", settings.topic)
        .option("startingOffsets", starting)
        .option("maxOffsetsPerTrigger", settings.stream_max_batch_events)
        .option("includeHeaders", True)
        .option("failOnDataLoss", True)
        # Spark asks the broker where the partition begins and ends after each poll; 500 records would be few for that.
        .option("kafka.max.poll.records", 4_000)
        .option("kafka.max.partition.fetch.bytes", 4 * 2**20)
        .load()
        .selectExpr("value", "partition", "offset", "timestamp", f"{_HISTORY} as history")
    )
    apply = slice_worker(context)

    def process(batch: "DataFrame", _batch_id: int) -> None:
        began = time.monotonic()
        rows = batch.mapInArrow(apply, REPORT_SCHEMA).collect()
        reports = [msgspec.msgpack.decode(row.report, type=SliceReport) for row in rows]
        pulse.batch_done(reports, (time.monotonic() - began) * 1_000)

    return (
        records.writeStream.queryName("clickstream")
        .option("checkpointLocation", str(_new_checkpoint(settings.state_dir, context.epoch)))
        .trigger(processingTime=f"{settings.stream_trigger_ms} milliseconds")
        .foreachBatch(process)
        .start()
    )


def _new_checkpoint(state_dir: Path, epoch: int) -> Path:
    """A checkpoint for this run alone; those of earlier runs are of no use any more."""
    base = (state_dir / "checkpoints" / "stream").resolve()
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    return Path(tempfile.mkdtemp(prefix=f"{epoch}-", dir=base))


def _wait(query: "StreamingQuery", pulse: Pulse, stopping: threading.Event, run_for: float) -> None:
    until = time.monotonic() + run_for
    while time.monotonic() < until and not stopping.wait(0.2):
        if not query.isActive:
            failure = query.exception()
            if failure is not None:
                raise failure
            return
        if not pulse.is_alive():
            raise RuntimeError("the pulse thread died: see the log above")
