"""The archive job: what Kafka has now, into the Delta table, then ends. Submitted by DAGs
clickstream_archive and clickstream_maintenance."""

import argparse
import logging

from pyspark.sql import SparkSession

from clickstream.archive.job import archive
from clickstream.archive.table import SPARK_OPTIONS, ArchiveError
from clickstream.archive.upkeep import upkeep
from clickstream.settings import settings


def main() -> int:
    """Exit code 0: the archive reaches the end that the topic had; 1: what the log says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upkeep", action="store_true", help="then compact the table and delete what nobody reads")
    parser.add_argument("--dry-run", action="store_true", help="change nothing; count what an upkeep would delete")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    spark = SparkSession.builder.appName("clickstream_archive").config(map=SPARK_OPTIONS).getOrCreate()
    logging.info("Spark UI: %s", spark.sparkContext.uiWebUrl)
    try:
        if not arguments.dry_run:
            archive(spark, settings())
        if arguments.upkeep or arguments.dry_run:
            upkeep(spark, settings(), arguments.dry_run)
    except ArchiveError as error:
        logging.error("%s", error)
        return 1
    finally:
        spark.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
