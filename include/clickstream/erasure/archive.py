"""A user out of the archive: the records, the files that held them, the versions that knew them."""

from typing import TYPE_CHECKING

from clickstream.archive.columns import user_key
from clickstream.archive.job import alone
from clickstream.archive.table import STATISTICS, exists, location
from clickstream.erasure.records import is_theirs
from clickstream.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_PLACES = "erased_places"


def their_records(spark: "SparkSession", settings: Settings, user_id: str) -> "DataFrame":
    """partition and offset of the user's records, events or not; each is looked at, as keys may meet."""
    from pyspark.sql.functions import broadcast, col, udf

    if not exists(spark, location(settings)):
        return spark.createDataFrame([], "partition int, offset bigint")
    # By a join, not by a literal, and the id only within the function: Spark logs and shows the conditions of a query.
    wanted = spark.createDataFrame([(user_key(user_id),), (None,)], "wanted bigint")
    # "Not deterministic" keeps it behind the join: before it, Python would look at every record.
    theirs = udf(lambda value: is_theirs(bytes(value), user_id), "boolean").asNondeterministic()
    found = spark.read.format("delta").load(location(settings)).where("value is not null")
    near = found.join(broadcast(wanted), col("user_key").eqNullSafe(col("wanted")))
    return near.where(theirs("value")).select("partition", "offset")


def erase_records(spark: "SparkSession", settings: Settings, user_id: str) -> int:
    """Delete them and every file of the table's past; how many records. Nobody may read the archive meanwhile."""
    where = location(settings)
    if not exists(spark, where):
        return 0
    with alone(settings):
        _keep_keys_out_of_the_log(spark, where)
        places = their_records(spark, settings, user_id).collect()
        if places:
            spark.createDataFrame(places, "partition int, offset bigint").createOrReplaceTempView(_PLACES)
            spark.sql(
                f"merge into delta.`{where}` as kept using {_PLACES} as gone"
                " on kept.partition = gone.partition and kept.offset = gone.offset when matched then delete"
            )
        # Also when there are none left: an earlier run may have been killed between the two.
        spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
        spark.sql(f"vacuum delta.`{where}` retain 0 hours")
    return len(places)


def _keep_keys_out_of_the_log(spark: "SparkSession", where: str) -> None:
    """For a table that was made before new ones had this: their log shall not tell the range of user_key of a file."""
    name = "delta.dataSkippingStatsColumns"
    known = {row.key: row.value for row in spark.sql(f"show tblproperties delta.`{where}`").collect()}
    if known.get(name) != STATISTICS:
        spark.sql(f"alter table delta.`{where}` set tblproperties ('{name}' = '{STATISTICS}')")
