"""The Delta table of the archive: where it is, how far it reaches, how records get into it.

Delta's log is the archive's ledger: the commit that adds records of a partition carries `txnAppId` (topic id and
partition) and `txnVersion` (the next offset), so records and offset move together, whatever is killed.
"""

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from clickstream.archive.columns import told
from clickstream.contract import OLDEST_EVENT_MS
from clickstream.erasure.tombstones import NOBODY, Tombstones
from clickstream.settings import Settings
from clickstream.warehouse.ledger import TopicState

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# What Delta's log tells of each file, least and greatest. Not user_key: the log outlives a record that was erased.
STATISTICS = "partition,offset,event_ms"
# For a session that reads or writes the archive.
SPARK_OPTIONS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.compression.codec": "zstd",
    # A record that is deleted is to be gone from the files, not only marked.
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
    "spark.databricks.delta.properties.defaults.dataSkippingStatsColumns": STATISTICS,
    # Sized for clusters by default: 50 tasks to read Delta's log, 10,000 to list files.
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
}
_DAY_MS = 86_400_000


class ArchiveError(Exception):
    """The archive and the topic do not fit: told with what to do."""


def location(settings: Settings) -> str:
    """The path or URI of the table: one a topic."""
    base = settings.archive or str((settings.state_dir / "archive").resolve())
    return f"{base.rstrip('/')}/{settings.topic}"


def archived_offsets(spark: "SparkSession", where: str, topic_id: str) -> dict[int, int]:
    """The next offset of each partition that the table has records of; empty when there is no table yet.

    Raises ArchiveError when it holds another topic of the same name.
    """
    snapshot = _snapshot(spark, where)
    if snapshot.version() < 0:
        return {}
    transactions = snapshot.setTransactions()
    offsets = {}
    for number in range(transactions.size()):
        transaction = transactions.apply(number)
        topic, partition = transaction.appId().rsplit("/", 1)
        if topic != topic_id:
            raise ArchiveError(
                f"{where} holds records of an earlier topic of this name (id {topic}, now {topic_id}): its offsets mean"
                " other records. Give the new topic another name (CLICKSTREAM_TOPIC)"
            )
        offsets[int(partition)] = int(transaction.version())
    return offsets


def exists(spark: "SparkSession", where: str) -> bool:
    """Whether anything was archived yet: there is no table before."""
    return bool(_snapshot(spark, where).version() >= 0)


def _snapshot(spark: "SparkSession", where: str) -> Any:
    """By Delta's Scala API: SQL shows a table's history, which is cut, but not its transactions, which are not."""
    java: Any = spark
    delta = java._jvm.org.apache.spark.sql.delta.DeltaLog
    delta.clearCache()
    return delta.forTable(java._jsparkSession, where).unsafeVolatileSnapshot()


def append(
    spark: "SparkSession",
    settings: Settings,
    state: TopicState,
    partition: int,
    first: int,
    after: int,
    erased: Tombstones = NOBODY,
) -> None:
    """Commit the records [first, after) of a partition; once, however often it is called.

    Of erased users only the places are kept.
    """
    kept = _records(spark, settings, partition, first, after, erased)
    (
        kept.write.format("delta")
        .mode("append")
        .partitionBy("event_date")
        .option("txnAppId", f"{state.topic_id}/{partition}")
        .option("txnVersion", after)
        .save(location(settings))
    )


def _records(
    spark: "SparkSession", settings: Settings, partition: int, first: int, after: int, erased: Tombstones
) -> "DataFrame":
    """partition, offset, kafka_time, source (header), value, event_ms, user_key, event_date (UTC; null where the time
    is none that an event can have, so that odd clocks make no folders)."""
    from pyspark.sql.pandas.functions import arrow_udf

    # A function defined here travels as a whole: by name, the workers would look for pyarrow's type hints.
    def read(values: pa.Array) -> pa.Array:
        return told(values, erased)

    make: Any = arrow_udf  # its type hints want what its documentation leaves out
    spark.udf.register("told", make(read, "event_ms bigint, user_key bigint, erased boolean"))
    topic = settings.topic
    latest = settings.future_tolerance_seconds * 1_000 + _DAY_MS
    return (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", settings.kafka_bootstrap)
        .option("assign", json.dumps({topic: [partition]}))
        .option("startingOffsets", json.dumps({topic: {partition: first}}))
        .option("endingOffsets", json.dumps({topic: {partition: after}}))
        .option("includeHeaders", True)
        .option("failOnDataLoss", True)
        .load()
        .selectExpr("partition", "offset", "timestamp as kafka_time", _source(), "value", "told(value) as told")
        .selectExpr(
            "partition",
            "offset",
            "kafka_time",
            "source",
            "if(told.erased, null, value) as value",
            "told.event_ms",
            "told.user_key",
        )
        .selectExpr(
            "*",
            f"case when event_ms between {OLDEST_EVENT_MS} and unix_millis(kafka_time) + {latest}"
            " then to_date(timestamp_millis(event_ms)) end as event_date",
        )
    )


def _source() -> str:
    """The header `source` where it is one that matters: history is old but not late."""
    # Not by a lambda over the headers: Spark interprets lambdas, record by record.
    cases = " ".join(
        f"when array_contains(headers, named_struct('key', 'source', 'value', cast('{source}' as binary)))"
        f" then '{source}'"
        for source in ("replay", "backfill")
    )
    return f"case {cases} end as source"
