"""Bring the archive up to the topic's present end, in bounded commits, one run at a time."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from clickstream.archive.table import ArchiveError, append, archived_offsets, location
from clickstream.erasure.tombstones import erased_users
from clickstream.settings import Settings
from clickstream.stream.topic import topic_state
from clickstream.warehouse.ledger import TopicState

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)

MAX_COMMIT_RECORDS = 1_000_000
_LOCK = 0xA2C41  # the advisory lock of the archive's writer


def archive(spark: "SparkSession", settings: Settings) -> dict[int, int]:
    """Append what the topic has now and the archive has not; partition → the archive's next offset.

    Raises ArchiveError, confluent_kafka.KafkaException, psycopg.Error, or Spark's errors; each commit before stays.
    """
    state = topic_state(settings.kafka_bootstrap, settings.topic)
    with alone(settings) as lock:
        offsets = archived_offsets(spark, location(settings), state.topic_id)
        erased = erased_users(lock.cursor())
        for partition, end in sorted(state.end.items()):
            first = _first(state, partition, offsets.get(partition))
            offsets[partition] = first
            for after in (*range(first + MAX_COMMIT_RECORDS, end, MAX_COMMIT_RECORDS), end):
                if after > offsets[partition]:
                    lock.execute("select 1")  # it is still ours
                    append(spark, settings, state, partition, offsets[partition], after, erased)
                    log.info("partition %d: archived up to offset %d of %d", partition, after, end)
                    offsets[partition] = after
    return offsets


def _first(state: TopicState, partition: int, archived: int | None) -> int:
    beginning, end = state.beginning[partition], state.end[partition]
    if archived is None:
        return beginning
    if archived > end:
        raise ArchiveError(
            f"topic {state.topic}, partition {partition}: the archive is at {archived}, the topic ends at {end}:"
            " the topic lost records"
        )
    if archived < beginning:
        log.error(
            "topic %s, partition %d: offsets %d to %d were deleted by retention before they were archived;"
            " days with such events cannot be backfilled any more",
            state.topic, partition, archived, beginning - 1,
        )  # fmt: skip
    return max(archived, beginning)


@contextmanager
def alone(settings: Settings) -> Iterator[psycopg.Connection]:
    """One writer at a time: a second waits, then finds little to do."""
    dsn = settings.postgres_writer.get_secret_value()
    with psycopg.connect(dsn, autocommit=True, connect_timeout=10, application_name="clickstream-archive") as lock:
        lock.execute("select pg_advisory_lock(%s)", [_LOCK])
        yield lock
