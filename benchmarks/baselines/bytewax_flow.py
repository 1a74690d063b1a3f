"""The same work as a Bytewax dataflow: Kafka in, a stateful step keyed by user, a sink that writes batches by COPY.

    cd benchmarks && PYTHONPATH=../include ../.local/bench-venv/bin/python -m baselines.bytewax_flow

Each process runs a dataflow of its own over one partition: producers key by user, so no event has to change workers.
Ids that were seen and visits are the state of a user; the sink stores what came since its last transaction. Bytewax's
recovery is off, which is faster. Addresses come from CLICKSTREAM_* like the stream's. Runs until SIGTERM or Ctrl-C.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import StatefulBatchLogic
from confluent_kafka import Consumer, TopicPartition

from clickstream.settings import Settings, settings

from . import fold, store
from .bytewax_sink import WarehouseSink
from .handwritten import CONFLICT, register, unpack
from .records import read
from .store import Refused
from .visits import COLUMNS, Seen, Visit, Visits

SOURCE_BATCH = 5_000
SINK_ITEMS = 200_000
SINK_TIMEOUT = timedelta(seconds=5)


class KafkaPartition(StatefulSourcePartition):
    """Messages of one partition in batches."""

    def __init__(self, platform: Settings, partition: int, offset: int) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": platform.kafka_bootstrap, "group.id": "bytewax", "enable.auto.commit": False}
        )
        self._consumer.assign([TopicPartition(platform.topic, partition, offset)])
        self._offset = offset

    def next_batch(self) -> Iterable[object]:
        """What has arrived, at once."""
        messages = self._consumer.consume(SOURCE_BATCH, timeout=0.001)
        if messages:
            self._offset = messages[-1].offset() + 1
        return messages

    def snapshot(self) -> int:
        """Where the next message is read."""
        return self._offset

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


class KafkaInput(FixedPartitionedSource):
    """The partition that this process reads, from the offset that PostgreSQL holds."""

    def __init__(self, platform: Settings, partition: int) -> None:
        self._platform, self._partition = platform, partition

    def list_parts(self) -> list[str]:
        """One."""
        return [str(self._partition)]

    def build_part(self, _step_id: str, for_part: str, _resume_state: int | None) -> KafkaPartition:
        """Start at the ledger."""
        with store.connect(self._platform.postgres_writer.get_secret_value()) as connection:
            offset = connection.execute(
                "select next_offset from clickstream.stream_offsets where topic = %s and partition = %s",
                [self._platform.topic, int(for_part)],
            ).fetchone()[0]
        return KafkaPartition(self._platform, int(for_part), offset)


def decode(messages: list) -> list[tuple[str, object]]:
    """(user id, Seen) of good records, (empty, Refused) of others."""
    values, offsets, kafka_ms, history = unpack(messages)
    decoded = read(values, offsets, kafka_ms, history)
    rows = decoded.events["row"].to_list()
    seen = [
        Seen(*columns, values[row])
        for columns, row in zip(decoded.events.select(COLUMNS).iter_rows(), rows, strict=True)
    ]
    refused = [
        Refused(offsets[row], kafka_ms[row], reason, detail, values[row] or b"") for row, reason, detail in decoded.bad
    ]
    return [(event.user_id, event) for event in seen] + [("", bad) for bad in refused]


class UserLogic(StatefulBatchLogic):
    """Drops repeats and folds the rest into visits. Out: what the sink stores."""

    def __init__(self, _resume_state: None) -> None:
        self._hashes: dict[bytes, int] = {}
        self._visits = Visits()

    def on_batch(self, values: list) -> tuple[list, bool]:
        """('event', Seen), ('duplicate', offset), ('refused', Refused), ('session', row), ('gone', session id),
        ('links', how journey links change)."""
        found: list[tuple[str, object]] = []
        changed: dict[bytes, Visit] = {}
        for event in values:
            if type(event) is Refused:
                found.append(("refused", event))
            elif event.event_id not in self._hashes:
                self._hashes[event.event_id] = event.content_hash
                visit, replaced = self._visits.add(event)
                for first in replaced:
                    changed.pop(first, None)
                    found.append(("gone", fold.session_id(event.user_id, first)))
                changed[visit.first[1]] = visit
                found.append(("event", event))
            elif self._hashes[event.event_id] == event.content_hash:
                found.append(("duplicate", event.kafka_offset))
            else:
                found.append(("refused", Refused(event.kafka_offset, event.kafka_ms, *CONFLICT, event.value)))
        for visit in changed.values():
            row = visit.row(event.user_id)
            found += [("session", row), ("links", visit.changed_links(row))]
        return found, StatefulBatchLogic.RETAIN

    def snapshot(self) -> None:
        """Nothing: recovery is off."""


class Collect(StatefulBatchLogic):
    """As `op.collect`, whose snapshot would copy each list in depth, which was half of all time."""

    def __init__(self, _resume_state: None) -> None:
        self._items: list[tuple[str, Any]] = []
        self._due: datetime | None = None

    def on_batch(self, values: list) -> tuple[list, bool]:
        """Hand on what was collected when it is enough."""
        self._items += values
        self._due = self._due or datetime.now(UTC) + SINK_TIMEOUT
        return (self._flush() if len(self._items) >= SINK_ITEMS else []), StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[list, bool]:
        """Hand on what there is when it has waited enough."""
        return self._flush(), StatefulBatchLogic.RETAIN

    def _flush(self) -> list:
        items, self._items, self._due = self._items, [], None
        return [items] if items else []

    def notify_at(self) -> datetime | None:
        """When the oldest item has waited enough."""
        return self._due

    def snapshot(self) -> None:
        """Nothing: recovery is off."""


def dataflow(partition: int) -> Dataflow:
    """Kafka → decode → visits by user → PostgreSQL."""
    flow = Dataflow("clickstream")
    messages = op.input("kafka", flow, KafkaInput(settings(), partition))
    records = op.flat_map_batch("decode", messages, decode)
    results = op.stateful_batch("visits", records, UserLogic)
    together = op.flat_map_batch("together", results, lambda batch: [("all", result) for _, result in batch])
    batches = op.stateful_batch("batches", together, Collect)
    op.output("postgres", batches, WarehouseSink(settings(), partition))
    return flow


def main() -> int:
    """Start a process a partition, and end with the first that ends or when asked to."""
    command = [sys.executable, "-m", "bytewax.run", "baselines.bytewax_flow:dataflow({})"]
    processes = [subprocess.Popen([*command[:-1], command[-1].format(number)]) for number in register(settings())]
    stopping = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.append(True))
    while not stopping and all(process.poll() is None for process in processes):
        time.sleep(0.2)
    for process in processes:
        process.terminate()
    codes = [process.wait(30) for process in processes]
    return 0 if stopping else max(abs(code) for code in codes)


if __name__ == "__main__":
    sys.exit(main())
