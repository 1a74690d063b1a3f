"""The erasure job: one user out of everything that is stored. Submitted by DAG clickstream_erase.

The user id is read from the environment (CLICKSTREAM_ERASE_USER): a command line is shown to every user of the host.
"""

import argparse
import logging
import os

from pyspark.sql import SparkSession

from clickstream.archive.table import SPARK_OPTIONS, ArchiveError
from clickstream.erasure.job import ErasureError, erase
from clickstream.erasure.tombstones import TombstoneError
from clickstream.settings import settings


def main() -> int:
    """Exit code 0: done; 1: what the log says (days that failed by name), run it again; 2: no user id."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--dry-run", action="store_true", help="erase nothing, count")
    what.add_argument("--erase", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    user_id = os.environ.get("CLICKSTREAM_ERASE_USER", "")
    if not user_id:
        parser.error("CLICKSTREAM_ERASE_USER is empty: set it to the user id")
    options = SPARK_OPTIONS | {"spark.task.maxFailures": "1"}
    spark = SparkSession.builder.appName("clickstream_erase").config(map=options).getOrCreate()
    try:
        erase(spark, settings(), user_id, arguments.dry_run)
    except (ArchiveError, ErasureError, TombstoneError) as error:
        logging.error("%s", error)
        return 1
    finally:
        spark.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
