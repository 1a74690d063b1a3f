"""One day's backfill: archive, recompute into staging, catch up with the stream, swap."""

import json
import logging
import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import polars as pl
import psycopg

from clickstream.archive.job import archive
from clickstream.backfill.catch_up import CatchUp
from clickstream.backfill.day import BackfillError, Day, empty_fragments
from clickstream.backfill.neighbours import Neighbours
from clickstream.backfill.source import accepted_offsets, next_offsets, records_below
from clickstream.backfill.staging import close_run, connect, open_run, stage_carried, stage_sessions
from clickstream.backfill.swap import require_whole, swap_events, swap_tables, take_turn, tell_models
from clickstream.backfill.worker import BUCKETS, FRAMES_SCHEMA, Context, read_frames, stage_records, stage_users
from clickstream.settings import Settings
from clickstream.warehouse.frames import statement

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)

_FEW_RECORDS = 20_000  # what may be left to read while the stream waits
_ROUNDS = 5
_DAY_MS = 86_400_000


def backfill(spark: "SparkSession", settings: Settings, when: date) -> dict[str, int]:
    """Recompute the UTC day `when`, swap it in and give how many rows differed, by table.

    Raises BackfillError or ArchiveError when it cannot be, psycopg's, Kafka's or Spark's errors; nothing is changed
    then, and it can be run again.
    """
    day = Day(when, settings.session_gap_seconds * 1_000)
    with connect(_dsn(settings)) as connection:
        with connection.cursor() as cursor:
            require_whole(cursor, when)
        vector = next_offsets(connection, settings.topic)
        archived = archive(spark, settings)
        _require(vector, archived)
        run = open_run(connection, settings.topic, when, vector)
        log.info("run %d of %s: recomputing what was accepted below %s", run, when, vector)
        began = time.monotonic()
        events = _recompute(spark, settings, connection, Context(_dsn(settings), run, day), vector)
        log.info("recomputed %d events in %.1f s", events, time.monotonic() - began)
        differences = _swap(connection, CatchUp(settings, run, day, vector), settings.topic)
        close_run(connection, run)
        log.info("run %d of %s: swapped after %.1f s; rows that differed: %s", run, when, time.monotonic() - began,
                 differences)  # fmt: skip
    return differences


def changed_days(settings: Settings, before: date, most: int) -> list[date]:
    """At most `most` UTC days before `before` that changed since their last backfill, or never had one."""
    bound = {"topic": settings.topic, "before": before, "most": most}
    with connect(_dsn(settings)) as connection:
        return [day for (day,) in connection.execute(statement("backfill/changed_days.sql"), bound)]


def _dsn(settings: Settings) -> str:
    return settings.postgres_writer.get_secret_value()


def _require(vector: dict[int, int], archived: dict[int, int]) -> None:
    for partition, offset in vector.items():
        if archived.get(partition, 0) < offset:
            raise BackfillError(
                f"partition {partition}: the stream is at offset {offset}, the archive only reaches"
                f" {archived.get(partition)}: was the ledger made for another topic?"
            )


def _recompute(
    spark: "SparkSession", settings: Settings, connection: psycopg.Connection, context: Context, vector: dict[int, int]
) -> int:
    """Stage the day; how many events it has. Raises BackfillError when the archive lacks some of them."""
    day = context.day
    accepted = accepted_offsets(connection, [day.date], vector)
    expected = sum(map(len, accepted.values()))
    if not expected:
        return 0
    log.info("%d accepted events; reading them from the archive", expected)
    records = records_below(spark, settings, vector)
    shared = spark.sparkContext.broadcast(accepted)
    border = (
        records.where(f"event_date = date'{day.date}'")
        .select("partition", "offset", "kafka_time", "value")
        .mapInArrow(stage_records(context, shared), FRAMES_SCHEMA)
        .repartition(BUCKETS, "bucket")
        .mapInArrow(stage_users(context), FRAMES_SCHEMA)
        .collect()
    )
    shared.unpersist()
    _check_complete(connection, context, expected)
    log.info("all are there; looking at the days around it for the sessions at the borders")
    latest = int(datetime.now(UTC).timestamp() * 1_000) + settings.future_tolerance_seconds * 1_000 + _DAY_MS
    neighbours = Neighbours(spark, records, connection, vector, latest)
    own, carried = neighbours.resolve(pl.concat([empty_fragments(), *read_frames([row.frame for row in border])]), day)
    with connection.transaction(), connection.cursor(binary=True) as cursor:
        stage_sessions(cursor, context.run, own)
        stage_carried(cursor, context.run, carried)
    return expected


def _check_complete(connection: psycopg.Connection, context: Context, expected: int) -> None:
    """Every accepted event was in the archive, once."""
    bound = {"run": context.run}
    row = connection.execute("select count(*) from clickstream.backfill_events where run = %(run)s", bound).fetchone()
    if row == (expected,):
        return
    missing = [
        f"partition {partition}: {count} between offsets {first} and {last}"
        for partition, first, last, count in connection.execute(statement("backfill/missing_events.sql"), bound)
    ]
    raise BackfillError(
        f"the archive cannot give {context.day.date} back: {expected} events were accepted, it has {row and row[0]};"
        f" missing: {'; '.join(missing) or 'none, so that some are there twice'}"
    )


def _swap(connection: psycopg.Connection, catch_up: CatchUp, topic: str) -> dict[str, int]:
    for _ in range(_ROUNDS):
        vector = next_offsets(connection, topic)
        behind = catch_up.behind(vector)
        while catch_up.behind(vector):
            with connection.transaction(), connection.cursor(binary=True) as cursor:
                catch_up.step(cursor, vector)
        if behind < _FEW_RECORDS:
            break
    with connection.transaction(), connection.cursor(binary=True) as cursor:
        take_turn(cursor, catch_up)
        differences = {"events": swap_events(cursor, catch_up)}
        began = time.monotonic()
        differences |= swap_tables(cursor, catch_up, topic)
        if any(differences.values()):
            tell_models(cursor, catch_up)
        cursor.execute(
            statement("backfill/close_run.sql"), {"run": catch_up.run, "differences": json.dumps(differences)}
        )
    log.info("the stream waited for %.1f s", time.monotonic() - began)
    return differences
