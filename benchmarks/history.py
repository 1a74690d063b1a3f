"""Days of a shop stored without Kafka and Spark: the generator's records in slices, by the stream's own transaction."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import numpy as np
import psycopg
import pyarrow as pa

from clickstream.generator import GeneratorOptions, generate
from clickstream.generator.records import Batch
from clickstream.partitioner import home_partitions
from clickstream.settings import Settings
from clickstream.slice import Records
from clickstream.warehouse import ledger
from clickstream.warehouse.apply import Rules, Slice
from clickstream.warehouse.writer import Writer

_TOPIC = "history"
_PARTITIONS = 2
_AT_ONCE = 200_000  # records of both partitions
_STORED_SHARE = 0.943  # of the records that the generator makes: the others are repeats or broken


def shop(events: int, days: int) -> GeneratorOptions:
    """A shop of which about so many events are stored in so many days."""
    return GeneratorOptions(rate=events / _STORED_SHARE / (days * 86_400))


class History:
    """A warehouse that only this process writes to, by a thread a partition."""

    def __init__(self, platform: Settings) -> None:
        dsn = platform.postgres_writer.get_secret_value()
        start = dict.fromkeys(range(_PARTITIONS), 0)
        with psycopg.connect(dsn) as connection:
            ledger.starting_offsets(connection, ledger.TopicState(_TOPIC, "benchmark", start, start))
            epoch = ledger.acquire(connection, "benchmark")
        self._writers = [Writer(dsn, epoch, Rules.of(platform)) for _ in range(_PARTITIONS)]
        self._next = [0] * _PARTITIONS

    def store(self, options: GeneratorOptions, start: datetime, end: datetime) -> None:
        """Apply what is sent in [start, end), as if it had been read when it was sent."""
        with ThreadPoolExecutor(_PARTITIONS) as threads:
            before: Iterator[None] = iter(())
            for batches in _handfuls(options, start, end):
                slices = self._slices(batches)  # made while the slices before are applied
                for _ in before:
                    pass
                before = threads.map(self._apply, slices)
            for _ in before:
                pass

    def close(self) -> None:
        """Give the connections back."""
        for writer in self._writers:
            writer.close()

    def _apply(self, piece: Slice) -> None:
        self._writers[piece.partition].apply(piece)

    def _slices(self, batches: list[Batch]) -> list[Slice]:
        keys = [key for batch in batches for key in batch.keys]
        values = pa.array([value for batch in batches for value in batch.values], pa.binary())
        sent = np.concatenate([batch.emit_ms for batch in batches])
        homes = home_partitions(keys, _PARTITIONS)
        slices = []
        for partition in np.unique(homes).tolist():
            rows = np.flatnonzero(homes == partition)
            first, self._next[partition] = self._next[partition], self._next[partition] + len(rows)
            offsets = np.arange(first, self._next[partition], dtype=np.int64)
            records = Records(values.take(pa.array(rows)), offsets, sent[rows], np.zeros(len(rows), dtype=np.bool_))
            slices.append(Slice(_TOPIC, partition, _PARTITIONS, records))
        return slices


def _handfuls(options: GeneratorOptions, start: datetime, end: datetime) -> Iterator[list[Batch]]:
    handful: list[Batch] = []
    for batch in generate(options, start, end):
        handful.append(batch)
        if sum(map(len, handful)) >= _AT_ONCE:
            yield handful
            handful = []
    if handful:
        yield handful
