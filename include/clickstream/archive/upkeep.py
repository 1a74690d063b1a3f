"""Upkeep of the archive: many small files become few large ones, and files that nobody reads any more go."""

import logging
from typing import TYPE_CHECKING

import psycopg

from clickstream.archive.table import exists, location
from clickstream.maintenance import noted
from clickstream.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)

_COUNTS = ("compacted", "into", "deleted")  # files
KEEP_HOURS = 168  # Delta's own default: whoever began to read a week ago can end


def upkeep(spark: "SparkSession", settings: Settings, dry_run: bool = False) -> dict[str, int]:
    """Compact and vacuum; files compacted, files that came of it, files deleted. What the archive says stays the same.

    In a dry run nothing is done, and only the last is counted. The counts are in table `maintenance_runs`, too.
    Archiving and backfills may go on meanwhile. A second run finds nothing to do.
    """
    where = location(settings)
    dsn = settings.postgres_writer.get_secret_value()
    with (
        psycopg.connect(dsn, autocommit=True, connect_timeout=10, keepalives_idle=10) as connection,
        noted(connection, "upkeep", dry_run) as counts,
    ):
        counts |= dict.fromkeys(_COUNTS, 0)
        if exists(spark, where):
            counts |= {"deleted": _deletable(spark, where)} if dry_run else _upkeep(spark, where)
        log.info("%s %s: %s", "a dry run of" if dry_run else "upkeep of", where, counts)
    return counts


def _deletable(spark: "SparkSession", where: str) -> int:
    found = spark.sql(f"vacuum delta.`{where}` retain {KEEP_HOURS} hours dry run")
    return found.where("path <> ''").count()


def _upkeep(spark: "SparkSession", where: str) -> dict[str, int]:
    metrics = spark.sql(f"optimize delta.`{where}`").collect()[0].metrics
    spark.sql(f"vacuum delta.`{where}` retain {KEEP_HOURS} hours")
    history = spark.sql(f"describe history delta.`{where}` limit 1").collect()[0]
    deleted = history.operationMetrics.get("numDeletedFiles", 0)
    done = (metrics.numFilesRemoved, metrics.numFilesAdded, deleted)
    return dict(zip(_COUNTS, map(int, done), strict=True))
