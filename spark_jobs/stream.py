"""The streaming job: Kafka to PostgreSQL and Redis until its time is over. Submitted by DAG clickstream_stream."""

import argparse
import importlib
import logging
import os
import threading

from pyspark.sql import SparkSession


def main() -> int:
    """Exit code 0: time was over or it was asked to stop; 1: what the log says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run-for", type=float, default=21_600, metavar="SECONDS", help="default: six hours")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # The libraries load while the JVM makes its session: the first commit comes two seconds sooner.
    threading.Thread(target=importlib.import_module, args=["clickstream.stream.driver"]).start()
    spark = SparkSession.builder.appName("clickstream_stream").getOrCreate()
    logging.info("Spark UI: %s", spark.sparkContext.uiWebUrl)
    from clickstream.settings import settings
    from clickstream.stream.driver import run
    from clickstream.warehouse.ledger import LeaseLostError, LedgerError

    try:
        run(spark, settings(), arguments.run_for)
    except (LedgerError, LeaseLostError) as error:
        logging.error("%s", error)
        return 1
    except Exception:
        logging.exception("the stream failed")
        return 1
    finally:
        spark.stop()
    return 0


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # Not by the interpreter's own end: it waits for threads that a killed JVM or server may have left hanging.
    os._exit(code)
