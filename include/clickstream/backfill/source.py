"""What a run reads: where the stream stands, which copies of events it accepted, the archive's records."""

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import psycopg
from numpy.typing import NDArray

from clickstream.archive.table import location
from clickstream.backfill.day import Accepted
from clickstream.settings import Settings
from clickstream.warehouse.adapt import read_bigints
from clickstream.warehouse.frames import statement

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def next_offsets(connection: psycopg.Connection, topic: str) -> dict[int, int]:
    """Where the stream stands: the next offset of each partition."""
    rows = connection.execute(
        "select partition, next_offset from clickstream.stream_offsets where topic = %s order by partition", [topic]
    )
    return {int(partition): int(offset) for partition, offset in rows}


def records_below(spark: "SparkSession", settings: Settings, vector: dict[int, int]) -> "DataFrame":
    """The archive's records below an offset vector."""
    below = " or ".join(f"(partition = {partition} and offset < {after})" for partition, after in vector.items())
    return spark.read.format("delta").load(location(settings)).where(below or "false")


def accepted_offsets(connection: psycopg.Connection, days: list[date], vector: dict[int, int]) -> Accepted:
    """Where the accepted events of UTC days lie below the vector: offsets by partition, sorted."""
    found: dict[int, list[NDArray[np.int64]]] = {}
    with connection.cursor(binary=True) as cursor:
        cursor.execute(statement("backfill/accepted_places.sql"), {"days": days})
        for partition, places in cursor:
            found.setdefault(partition, []).append(read_bigints(places))
    sorted_offsets = {partition: np.sort(np.concatenate(pieces)) for partition, pieces in found.items()}
    return {p: offsets[: np.searchsorted(offsets, vector.get(p, 0))] for p, offsets in sorted_offsets.items()}
