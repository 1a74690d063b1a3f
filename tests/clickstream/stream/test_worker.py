"""A worker applies a partition's records a slice at a time, however Spark cuts them."""

import msgspec
import psycopg
import pyarrow as pa
import pytest

from builders import NOON_MS, encoded, event
from clickstream.settings import Settings
from clickstream.stream import worker
from clickstream.stream.topic import topic_state
from clickstream.stream.worker import SliceReport, StreamContext, slice_worker
from clickstream.warehouse import ledger
from clickstream.warehouse.apply import Rules

FIRST, FULL = 3, 6


def batch(first: int, count: int) -> pa.RecordBatch:
    """Records of partition 0 as Spark hands them over."""
    offsets = range(first, first + count)
    return pa.RecordBatch.from_pydict(
        {
            "value": pa.array([encoded(event(offset + 1, offset)) for offset in offsets], pa.binary()),
            "partition": pa.array([0] * count, pa.int32()),
            "offset": pa.array(offsets, pa.int64()),
            "timestamp": pa.array([(NOON_MS + 60_000) * 1_000] * count, pa.timestamp("us")),
            "history": pa.array([False] * count, pa.bool_()),
        }
    )


def test_a_worker_commits_slice_by_slice(platform: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_FIRST_SLICE", FIRST)
    monkeypatch.setattr(worker, "_SLICE", FULL)
    monkeypatch.setattr(worker, "_slices_seen", 0)
    dsn = platform.postgres_writer.get_secret_value()
    with psycopg.connect(dsn, autocommit=True) as connection:
        epoch = ledger.acquire(connection, "test")
        ledger.starting_offsets(connection, topic_state(platform.kafka_bootstrap, platform.topic))
        context = StreamContext(dsn, epoch, Rules(1_800_000, 300_000, 300_000), platform.topic, 2)
        sizes = [0, 2, 2, 4, 0, 1, 4, 1]
        batches = (batch(sum(sizes[:place]), size) for place, size in enumerate(sizes))
        reports = []
        for answer in slice_worker(context)(batches):
            reports.append(msgspec.msgpack.decode(answer["report"][0].as_py(), type=SliceReport))
            [(stored,)] = connection.execute("select count(*) from clickstream.events").fetchall()
            assert stored == reports[-1].next_offset  # committed before the report leaves
    assert [report.next_offset for report in reports] == [4, 13, 14]  # the first small, the last what is left
    assert sum(report.accepted for report in reports) == 14
