"""Upkeep of the archive: many small files become few large ones, and files that nobody reads any more go."""

import logging
from typing import TYPE_CHECKING

from clickstream.archive.table import location
from clickstream.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)

KEEP_HOURS = 168  # Delta's own default: whoever began to read a week ago can end


def upkeep(spark: "SparkSession", settings: Settings) -> dict[str, int]:
    """Compact and vacuum; files compacted, files that came of it, files deleted. What the archive says stays the same.

    Archiving and backfills may go on meanwhile. A second run finds nothing to do.
    """
    where = location(settings)
    metrics = spark.sql(f"optimize delta.`{where}`").collect()[0].metrics
    spark.sql(f"vacuum delta.`{where}` retain {KEEP_HOURS} hours")
    history = spark.sql(f"describe history delta.`{where}` limit 1").collect()[0]
    done = {
        "compacted": int(metrics.numFilesRemoved),
        "into": int(metrics.numFilesAdded),
        "deleted": int(history.operationMetrics.get("numDeletedFiles", 0)),
    }
    log.info("upkeep of %s: %s", where, done)
    return done
