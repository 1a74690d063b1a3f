"""What a run reads: where the stream stands, which copies of events it accepted, the archive's records."""

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import psycopg

from clickstream.archive.table import location
from clickstream.backfill.day import Accepted
from clickstream.settings import Settings
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
    query = statement("backfill/accepted_places.sql")
    with connection.cursor() as cursor, cursor.copy(query, {"days": days}) as copy:
        text = b"".join(bytes(block) for block in copy)
    schema = {"partition": pl.Int32, "offset": pl.Int64}
    places = pl.read_csv(text, has_header=False, schema=schema, raise_if_empty=False)
    found = {int(str(p)): part["offset"].to_numpy() for (p,), part in places.group_by("partition")}
    return {p: np.sort(offsets[offsets < vector.get(p, 0)]) for p, offsets in found.items()}
