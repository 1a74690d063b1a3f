"""Measure what other session policies would make of a day, into table `session_policies`; nothing else is changed."""

import logging
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from clickstream.archive.job import archive
from clickstream.archive.table import exists, location
from clickstream.backfill.day import Day
from clickstream.backfill.policies import added
from clickstream.backfill.source import accepted_offsets, next_offsets, records_below
from clickstream.backfill.staging import connect
from clickstream.backfill.swap import require_whole
from clickstream.backfill.worker import BUCKETS, FRAMES_SCHEMA, bucket_events, measure_users, read_frames
from clickstream.settings import Settings
from clickstream.warehouse.frames import copy_frame

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)


def compare_policies(spark: "SparkSession", settings: Settings, when: date) -> pl.DataFrame:
    """The day's measures by policy (`policies.MEASURES`), as stored.

    Raises BackfillError when today's contract refuses an event that was accepted, or retention took some away,
    ArchiveError, or the servers' errors.
    """
    day = Day(when, settings.session_gap_seconds * 1_000)
    days = [when + timedelta(days=apart) for apart in (-1, 0, 1)]
    with connect(settings.postgres_writer.get_secret_value()) as connection:
        with connection.cursor() as cursor:
            require_whole(cursor, when)
        vector = next_offsets(connection, settings.topic)
        archive(spark, settings)
        rows = []
        if exists(spark, location(settings)):
            shared = spark.sparkContext.broadcast(accepted_offsets(connection, days, vector))
            rows = (
                records_below(spark, settings, vector)
                .where(f"event_date between date'{days[0]}' and date'{days[-1]}'")
                .select("partition", "offset", "kafka_time", "value")
                .mapInArrow(bucket_events(shared), FRAMES_SCHEMA)
                .repartition(BUCKETS, "bucket")
                .mapInArrow(measure_users(day), FRAMES_SCHEMA)
                .collect()
            )
            shared.unpersist()
        measured = added(read_frames([row.frame for row in rows]))
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("delete from clickstream.session_policies where day = %s", [when])
            copy_frame(cursor, "session_policies", measured.select(pl.lit(when).alias("day"), pl.all()))
    for row in measured.iter_rows(named=True):
        log.info("%s: %s", when, row)
    return measured
