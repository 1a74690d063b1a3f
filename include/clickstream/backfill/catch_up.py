"""What the stream accepted while a run was computing, read from Kafka and added to what the run has staged."""

import json
import time
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa
from confluent_kafka import Consumer, TopicPartition

from clickstream import sessions
from clickstream.backfill.day import BackfillError, Day, near_end, read_records
from clickstream.backfill.staging import (
    Cursor,
    accepted_copies,
    stage_carried,
    stage_events,
    stage_sessions,
    stored_sessions,
    take_users,
)
from clickstream.settings import Settings
from clickstream.warehouse.frames import statement

_SILENCE_SECONDS = 30.0
_PIECE_RECORDS = 200_000  # what is held in memory at once


@dataclass
class CatchUp:
    """Moves a run's staged rows from the offset vector `reached` to a later one, as often as is asked.

    A user whose new events lie at a border of the day needs events that are not staged: such a user's sessions are
    taken over as the stream stored them (`taken_over`), and the day counts as changed after this run.
    """

    settings: Settings
    run: int
    day: Day
    reached: dict[int, int]
    taken_over: set[str] = field(default_factory=set)

    def behind(self, vector: dict[int, int]) -> int:
        """How many offsets lie between what is added and `vector`."""
        return sum(max(0, end - self.reached.get(partition, 0)) for partition, end in vector.items())

    def step(self, cursor: Cursor, vector: dict[int, int]) -> None:
        """Add the next piece of what was accepted up to `vector`.

        Raises BackfillError when Kafka, or today's contract, does not give every event of the day that was accepted.
        """
        until = piece_of(self.reached, vector, _PIECE_RECORDS)
        records = read_topic(self.settings, self.reached, until)
        events = accepted_copies(cursor, read_records(records)[0])
        of_day = events.filter(pl.col("event_ms").is_between(self.day.start_ms, self.day.end_ms, closed="left"))
        self._require_all(cursor, len(of_day), until)
        stage_events(cursor, self.run, of_day)
        self._sessions(cursor, events)
        self.reached = until

    def _require_all(self, cursor: Cursor, found: int, until: dict[int, int]) -> None:
        bound = {"day": self.day.date, "since": json.dumps(self.reached), "until": json.dumps(until)}
        row = cursor.execute(statement("backfill/count_accepted.sql"), bound).fetchone()
        if row != (found,):
            raise BackfillError(
                f"{row and row[0]} events of {self.day.date} were accepted from offsets {self.reached} to {until}, but"
                f" Kafka and today's contract give {found} of them"
            )

    def _sessions(self, cursor: Cursor, events: pl.DataFrame) -> None:
        day = self.day
        known = events.filter(pl.col("event_ms") >= day.start_ms - day.gap_ms)
        reaching = self._reaching_the_end(cursor) if (known["event_ms"] >= day.end_ms).any() else []
        known = known.filter((pl.col("event_ms") < day.end_ms) | pl.col("user_id").is_in(reaching))
        if known.is_empty():
            return
        at_start = known.filter((pl.col("event_ms") - day.start_ms).abs() <= day.gap_ms)
        self.taken_over.update(at_start["user_id"])
        users = known["user_id"].unique().to_list()
        staged = take_users(cursor, self.run, users)
        fresh = sessions.fragments(known.filter(pl.col("event_ms") >= day.start_ms), day.gap_ms)
        merged = sessions.merge(pl.concat([staged.select(fresh.columns), fresh]), day.gap_ms)
        merged = merged.filter(pl.col("started_ms") < day.end_ms)
        self.taken_over.update(merged.filter(near_end(day))["user_id"])
        merged = merged.filter(~pl.col("user_id").is_in(list(self.taken_over)))
        carried = staged.filter("carried").select("user_id", "started_ms")
        stage_carried(cursor, self.run, merged.join(carried, on=["user_id", "started_ms"], how="semi"))
        stored = stored_sessions(cursor, sorted(self.taken_over.intersection(users)), day.start_ms, day.end_ms)
        own = merged.join(carried, on=["user_id", "started_ms"], how="anti")
        stage_sessions(cursor, self.run, pl.concat([own, stored.select(own.columns)]))

    def _reaching_the_end(self, cursor: Cursor) -> list[str]:
        cursor.execute(
            "select distinct user_id from clickstream.backfill_sessions where run = %s and ended_at >= %s",
            [self.run, self.day.end - self.day.gap],
        )
        return [user for (user,) in cursor]


def piece_of(reached: dict[int, int], vector: dict[int, int], most: int) -> dict[int, int]:
    """The vector that lies at most so many records beyond `reached`, on the way to `vector`."""
    until, left = dict(reached), most
    for partition, end in sorted(vector.items()):
        first = reached.get(partition, 0)
        until[partition] = max(first, min(end, first + left))
        left -= until[partition] - first
    return until


def read_topic(settings: Settings, since: dict[int, int], until: dict[int, int]) -> pa.Table:
    """The topic's records in [since, until) of each partition: partition, offset, kafka_time, value.

    Raises BackfillError when Kafka does not give them, confluent_kafka.KafkaException when it is away.
    """
    columns: dict[str, list[object]] = {"partition": [], "offset": [], "kafka_time": [], "value": []}
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap,
            "group.id": "clickstream-backfill",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
        }
    )
    try:
        for partition, end in sorted(until.items()):
            _read_partition(consumer, settings.topic, partition, since.get(partition, 0), end, columns)
    finally:
        consumer.close()
    types = {"partition": pa.int32(), "offset": pa.int64(), "kafka_time": pa.timestamp("us"), "value": pa.binary()}
    return pa.table({name: pa.array(columns[name], kind) for name, kind in types.items()})


def _read_partition(
    consumer: Consumer, topic: str, partition: int, first: int, end: int, columns: dict[str, list[object]]
) -> None:
    if first >= end:
        return
    where = TopicPartition(topic, partition, first)
    consumer.assign([where])
    place, silent_since = first, time.monotonic()
    while place < end:
        # It waits for as many as are asked for: never ask for more than there are.
        messages = consumer.consume(min(10_000, end - place), timeout=1.0)
        for message in messages:
            if message.error() is not None:
                raise BackfillError(f"topic {topic}, partition {partition}, offset {place}: {message.error()}")
            offset = message.offset()
            assert offset is not None  # noqa: S101 - a record has one
            place = offset + 1
            if offset < end:
                columns["partition"].append(partition)
                columns["offset"].append(offset)
                columns["kafka_time"].append(message.timestamp()[1] * 1_000)
                columns["value"].append(message.value())
        if messages:
            silent_since = time.monotonic()
        else:  # offsets need not all have a record
            place = max(place, consumer.position([where])[0].offset)
        if time.monotonic() - silent_since > _SILENCE_SECONDS:
            raise BackfillError(f"topic {topic}, partition {partition}: Kafka gives nothing from offset {place} on")
