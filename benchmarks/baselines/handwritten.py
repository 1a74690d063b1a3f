"""A consumer as a good engineer would write it by hand: one process a partition, big batches, COPY.

    cd benchmarks && python -m baselines.handwritten [--ids-only] [--batch 100000]

Each process reads one partition from the offset that PostgreSQL holds, and stores a batch with the next offset in one
transaction: what our stream stores (ids, events, dead letters, sessions and what is odd about them, journey links,
minute tables, audit; not what late events did to sessions), or with `--ids-only`
ids, minute counts and sessions of start, end and events. It relies on producers that key by user, and on nobody
running it twice. Addresses come from CLICKSTREAM_* like the stream's. Runs until SIGTERM or Ctrl-C.
"""

import argparse
import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # as many processes as cores: threads would wait for each other

import psycopg
from confluent_kafka import Consumer, Message, TopicPartition

from clickstream.settings import Settings, settings
from clickstream.stream.topic import topic_state

from . import ids_only, session_store, store
from .decode import Bad
from .records import CHUNK, read

log = logging.getLogger(__name__)
CONFLICT = ("conflict", "another event with other content has this event_id")


def main() -> int:
    """Exit code 0 when asked to stop, 1 when a process failed (its log says why)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids-only", action="store_true", help="no events, no dead letters, plain sessions")
    parser.add_argument("--batch", type=int, default=100_000, help="records a transaction")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
    partitions = register(settings())
    stopping = multiprocessing.get_context("spawn").Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    start = multiprocessing.get_context("spawn").Process
    processes = [start(target=consume, args=(number, given.batch, given.ids_only, stopping)) for number in partitions]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        time.sleep(0.2)
        if any(process.exitcode for process in processes):
            stopping.set()
    return max(process.exitcode or 0 for process in processes)


def register(platform: Settings) -> list[int]:
    """Put the topic's partitions into the table of offsets; those that are there stay where they are."""
    state = topic_state(platform.kafka_bootstrap, platform.topic)
    with psycopg.connect(platform.postgres_writer.get_secret_value()) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into clickstream.stream_offsets (topic, topic_id, partition, next_offset) values (%s, %s, %s, %s)"
            " on conflict do nothing",
            [(state.topic, state.topic_id, number, first) for number, first in state.beginning.items()],
        )
    return sorted(state.beginning)


def consume(partition: int, size: int, plain: bool, stopping: threading.Event) -> None:
    """One process: read batches of a partition and store them, until told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # batches make no cycles
    platform = settings()
    connection = store.connect(platform.postgres_writer.get_secret_value())
    if plain:
        ids_only.prepare(connection)
    offset = connection.execute(
        "select next_offset from clickstream.stream_offsets where topic = %s and partition = %s",
        [platform.topic, partition],
    ).fetchone()[0]
    consumer = Consumer(
        {
            "bootstrap.servers": platform.kafka_bootstrap,
            "group.id": "handwritten",
            "enable.auto.commit": False,
            "queued.min.messages": 2 * size,
            "queued.max.messages.kbytes": 256 * 1_024,
            "fetch.message.max.bytes": 16 * 1_024 * 1_024,
        }
    )
    consumer.assign([TopicPartition(platform.topic, partition, offset)])
    apply = ids_only.apply if plain else apply_batch
    while not stopping.is_set():
        batch = next_batch(consumer, size)
        if batch[0]:
            apply(connection, platform.topic, partition, *batch)
    consumer.close()
    connection.close()


Columns = tuple[list[bytes | None], list[int], list[int], list[bool]]


def next_batch(consumer: Consumer, size: int) -> Columns:
    """Up to `size` records, or what came until none did for a moment."""
    batch: Columns = ([], [], [], [])
    while len(batch[0]) < size:
        messages = consumer.consume(CHUNK, timeout=0.2)
        if not messages:
            break
        for column, part in zip(batch, unpack(messages), strict=True):
            column += part
    return batch


def unpack(messages: list[Message]) -> Columns:
    """Values, offsets, Kafka times (Unix ms), and whether a replay or a backfill sent it."""
    for message in messages:
        if message.error():
            raise RuntimeError(message.error())
    return (
        [message.value() for message in messages],
        [message.offset() for message in messages],
        [message.timestamp()[1] for message in messages],
        [any(h in _HISTORY for h in message.headers() or ()) for message in messages],
    )


_HISTORY = frozenset({("source", b"replay"), ("source", b"backfill")})


def apply_batch(
    connection: psycopg.Connection,
    topic: str,
    partition: int,
    values: list[bytes | None],
    offsets: list[int],
    kafka_ms: list[int],
    history: list[bool],
) -> None:
    """Store a batch and the next offset in one transaction."""
    decoded = read(values, offsets, kafka_ms, history)
    store.ensure_days(connection, decoded.events)
    with connection.transaction(), connection.cursor() as cursor:
        accepted, conflicts = store.new_events(cursor, decoded.events)
        bad = decoded.bad + [Bad(row, *CONFLICT) for row in conflicts["row"]]
        refused = [store.Refused(offsets[row], kafka_ms[row], reason, why, values[row]) for row, reason, why in bad]
        store.copy_events(cursor, partition, accepted)
        store.copy_dead_letters(cursor, topic, partition, refused)
        if len(accepted):
            links = session_store.merge_sessions(cursor, accepted)
            store.add_counts(cursor, accepted, links)
        counts = {"accepted": len(accepted), "rejected": len(bad), **store.late_and_history(accepted)}
        store.close(cursor, topic, partition, offsets, kafka_ms, counts)


if __name__ == "__main__":
    sys.exit(main())
