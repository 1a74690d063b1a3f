"""The backfill job: recomputes UTC days from the archive and swaps them in. Submitted by DAG clickstream_backfill."""

import argparse
import logging
from datetime import date

from pyspark.sql import SparkSession

from clickstream.archive.table import SPARK_OPTIONS, ArchiveError
from clickstream.backfill.compare import compare_policies
from clickstream.backfill.day import BackfillError
from clickstream.backfill.job import backfill, changed_days
from clickstream.settings import settings


def main() -> int:
    """Exit code 0: every day was swapped in; 1: the log names those that were refused, and why; the others were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--day", type=date.fromisoformat, required=True, metavar="YYYY-MM-DD", help="the UTC day")
    parser.add_argument(
        "--and-changed", type=int, default=0, metavar="N", help="also N days that changed since their last backfill"
    )
    work = parser.add_mutually_exclusive_group()
    work.add_argument("--swap", action="store_true", help="the default")
    work.add_argument(
        "--compare-policies", action="store_true", help="change nothing; measure what other session policies would do"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # A task that is tried again would stage its rows twice: the run is tried again instead.
    options = SPARK_OPTIONS | {"spark.task.maxFailures": "1", "spark.sql.files.maxPartitionBytes": "32m"}
    spark = SparkSession.builder.appName("clickstream_backfill").config(map=options).getOrCreate()
    logging.info("Spark UI: %s", spark.sparkContext.uiWebUrl)
    try:
        if arguments.compare_policies:
            compare_policies(spark, settings(), arguments.day)
            return 0
        days = [arguments.day, *changed_days(settings(), arguments.day, arguments.and_changed)]
        refused = [day for day in days if not _swapped_in(spark, day)]
    except (ArchiveError, BackfillError) as error:
        logging.error("%s", error)
        return 1
    finally:
        spark.stop()
    if refused:
        logging.error("refused, see above: %s", ", ".join(map(str, refused)))
    return 1 if refused else 0


def _swapped_in(spark: SparkSession, day: date) -> bool:
    """One day that cannot be recomputed does not keep the others waiting."""
    try:
        backfill(spark, settings(), day)
    except (ArchiveError, BackfillError) as error:
        logging.error("%s: %s", day, error)
        return False
    return True


if __name__ == "__main__":
    raise SystemExit(main())
