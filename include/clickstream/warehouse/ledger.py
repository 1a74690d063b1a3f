"""The ledger and the lease: which offsets are applied, and who may apply the next.

Kafka's offsets live in PostgreSQL beside the data that they cover. The lease has one row; its epoch grows with
each new driver, and a transaction that finds another epoch than its own cannot commit.
"""

from dataclasses import dataclass

import psycopg

LEASE = "stream"
APPLICATION = "clickstream-stream"  # with the epoch: the name under which a driver's connections are seen


class LeaseLostError(Exception):
    """Another driver holds the lease: this one must end."""


class OffsetGapError(Exception):
    """A slice starts above the ledger's next offset: records between them would be skipped."""


class LedgerError(Exception):
    """The ledger and the topic do not fit: told with what to do."""


@dataclass(frozen=True)
class TopicState:
    """What the broker says of a topic: its id and, for each partition, the first and the end offset."""

    topic: str
    topic_id: str
    beginning: dict[int, int]
    end: dict[int, int]


def acquire(connection: psycopg.Connection, holder: str) -> int:
    """Raise the epoch and return it. Takes effect at once, whatever the holder before does.

    Sessions of earlier epochs are terminated first: one that is stopped in the middle of a transaction would
    hold the lease row for ever.
    """
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name like %s and usename = current_user and pid <> pg_backend_pid()",
            [APPLICATION + ":%"],
        )
        cursor.execute(
            "insert into clickstream.stream_lease as lease (name, epoch, holder) values (%s, 1, %s)"
            " on conflict (name) do update set epoch = lease.epoch + 1, holder = excluded.holder,"
            " heartbeat_at = clock_timestamp() returning epoch",
            [LEASE, holder],
        )
        row = cursor.fetchone()
    assert row is not None  # noqa: S101 - the statement returns a row by construction
    return int(row[0])


def renew(connection: psycopg.Connection, epoch: int) -> None:
    """Heartbeat. Raises LeaseLostError when another epoch holds the lease."""
    renewed = connection.execute(
        "update clickstream.stream_lease set heartbeat_at = clock_timestamp() where name = %s and epoch = %s",
        [LEASE, epoch],
    )
    if renewed.rowcount != 1:
        raise LeaseLostError(f"epoch {epoch} no longer holds the lease: a newer driver took over")


def starting_offsets(connection: psycopg.Connection, state: TopicState) -> dict[int, int]:
    """The next offset of every partition; new partitions enter the ledger at the topic's beginning.

    Raises LedgerError when the topic was recreated, or when records that were not applied yet are gone.
    """
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "insert into clickstream.stream_offsets (topic, topic_id, partition, next_offset)"
            " values (%s, %s, %s, %s) on conflict do nothing",
            [(state.topic, state.topic_id, partition, first) for partition, first in sorted(state.beginning.items())],
        )
        cursor.execute(
            "select partition, topic_id, next_offset from clickstream.stream_offsets where topic = %s", [state.topic]
        )
        ledger = {int(partition): (str(topic_id), int(offset)) for partition, topic_id, offset in cursor}
    for partition, (topic_id, offset) in sorted(ledger.items()):
        check_place(state, partition, topic_id, offset)
    return {partition: offset for partition, (_, offset) in ledger.items()}


def check_place(state: TopicState, partition: int, topic_id: str, offset: int) -> None:
    """Raises LedgerError when the ledger's next offset of a partition cannot be gone on from."""
    place = f"topic {state.topic}, partition {partition}"
    if topic_id != state.topic_id:
        raise LedgerError(
            f"{place}: the topic was recreated (id {state.topic_id}, the ledger knows {topic_id}); its offsets mean"
            " other records now. Give the new topic another name (CLICKSTREAM_TOPIC)"
        )
    if partition not in state.beginning:
        raise LedgerError(f"{place}: in the ledger, but the topic has no such partition")
    if offset < state.beginning[partition]:
        raise LedgerError(
            f"{place}: offsets {offset} to {state.beginning[partition] - 1} were deleted by retention before they were"
            " applied. To go on without them: docs/operations.md, Lost records"
        )
    if offset > state.end[partition]:
        raise LedgerError(
            f"{place}: the ledger is at {offset}, the topic ends at {state.end[partition]}: the topic lost records"
        )
