"""The backfill's platform: topic, archive and a stream that folds when a test says so."""

from spark_delta import spark
from stream_shop import shop

__all__ = ["shop", "spark"]
