"""The backfill's platform: topic, archive and a stream that folds when a test says so."""

from spark_delta import spark
from sql_warehouse import warehouse
from stream_shop import shop, start_job

__all__ = ["shop", "spark", "start_job", "warehouse"]
