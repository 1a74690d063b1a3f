"""Where the Bytewax dataflow ends: a collected batch becomes one transaction."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import polars as pl
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from clickstream.settings import Settings

from . import fold, session_store, store
from .visits import COLUMNS, SCHEMA, Seen


@dataclass
class Batch:
    """What one transaction stores; sessions by id, the ids of those that were merged into others, and how journey links
    change."""

    events: list[Seen]
    duplicates: list[int]
    refused: list[store.Refused]
    sessions: dict[bytes, dict[str, Any]]
    gone: set[bytes]
    links: Counter[fold.Link]

    def take(self, kind: str, item: Any) -> None:
        """One result of `UserLogic`."""
        if kind == "event":
            self.events.append(item)
        elif kind == "session":
            self.sessions[item["session_id"]] = item
            self.gone.discard(item["session_id"])
        elif kind == "duplicate":
            self.duplicates.append(item)
        elif kind == "links":
            self.links.update(item)
        elif kind == "refused":
            self.refused.append(item)
        else:
            self.sessions.pop(item, None)
            self.gone.add(item)


class Warehouse(StatelessSinkPartition):
    """Stores each collected batch in one transaction."""

    def __init__(self, platform: Settings, partition: int) -> None:
        self._connection = store.connect(platform.postgres_writer.get_secret_value())
        self._topic, self._partition = platform.topic, partition

    def write_batch(self, items: list) -> None:
        """Sort out what a batch says; a session that comes again replaces itself."""
        for _, batch in items:
            found = Batch([], [], [], {}, set(), Counter())
            for kind, item in batch:
                found.take(kind, item)
            self._store(found)

    def _store(self, batch: Batch) -> None:
        columns = zip(*batch.events, strict=True) if batch.events else [[] for _ in Seen._fields]
        said = dict(zip(Seen._fields, columns, strict=True))
        events = pl.DataFrame({name: said[name] for name in COLUMNS}, SCHEMA).sort("event_id")
        refused = batch.refused
        offsets = sorted([*events["kafka_offset"], *batch.duplicates, *(bad.kafka_offset for bad in refused)])
        times = [*events["kafka_ms"], *(bad.kafka_ms for bad in refused)] or [int(time.time() * 1_000)]
        store.ensure_days(self._connection, events)
        with self._connection.transaction(), self._connection.cursor() as cursor:
            store.copy_events(cursor, self._partition, events)
            store.copy_dead_letters(cursor, self._topic, self._partition, refused)
            replaced = [*batch.gone, *batch.sessions]
            cursor.execute(
                "delete from clickstream.sessions where session_id = any(%s::uuid[])", [store.hexes(replaced)]
            )
            sessions = session_store.session_frame(list(batch.sessions.values()))
            store.copy(cursor, ("clickstream", "sessions"), sessions)
            session_store.replace_anomalies(cursor, replaced, session_store.judged(sessions))
            store.add_counts(cursor, events, batch.links)
            counts = {"accepted": len(events), "rejected": len(refused), **store.late_and_history(events)}
            store.close(cursor, self._topic, self._partition, offsets, times, counts)


class WarehouseSink(DynamicSink):
    """PostgreSQL."""

    def __init__(self, platform: Settings, partition: int) -> None:
        self._platform, self._partition = platform, partition

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> Warehouse:
        """One a worker."""
        return Warehouse(self._platform, self._partition)
