"""An archive of the classes that Spark's jobs load: a JVM that maps it starts with two thirds of the work.

Loading and checking some fifteen thousand classes is most of a short job. Run as a program, this is the job whose
classes are archived: what our jobs ask of Spark, in small.
"""

import contextlib
import fcntl
import hashlib
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from local.spark import SparkJob

_SECONDS = 300


def class_archive(root: Path, jars: Path) -> Path:
    """The archive for Spark with the further `jars`, made when there is none yet for just these files."""
    spark = Path(sysconfig.get_path("purelib")) / "pyspark" / "jars"
    files = sorted((path.name, path.stat().st_mtime_ns) for each in (spark, jars) for path in each.glob("*.jar"))
    directory = root / ".local" / "cache" / "spark-classes"
    archive = directory / f"{hashlib.sha256(repr(files).encode()).hexdigest()[:16]}.jsa"
    directory.mkdir(parents=True, exist_ok=True)
    with _alone(directory / "lock"):
        if not archive.exists():
            for stale in directory.glob("*.jsa*"):
                stale.unlink()
            _make(root, jars, archive)
    return archive


def _make(root: Path, jars: Path, archive: Path) -> None:
    """Without an archive (another Java may refuse) the jobs only start more slowly."""

    class Recorded(SparkJob):
        java_options = f"{SparkJob.java_options} -XX:ArchiveClassesAtExit={archive}.new"

    log = archive.with_suffix(".log")
    job = Recorded(root, str(Path(__file__)), jars, {"PYTHONPATH": str(root / "include")}, log)
    with contextlib.closing(job):
        if job.process.wait(_SECONDS) != 0:
            raise RuntimeError(f"Spark cannot run: {log.read_text()[-3_000:]}")
    made = Path(f"{archive}.new")
    if made.exists():
        made.rename(archive)


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    """A Delta table written and read, rows through Python and a shuffle, and a stream to its end."""
    from pyspark.sql import SparkSession

    from clickstream.archive.table import SPARK_OPTIONS

    spark = SparkSession.builder.config(map=SPARK_OPTIONS).getOrCreate()
    with tempfile.TemporaryDirectory() as directory:
        table = f"{directory}/table"
        numbers = spark.range(1_000).selectExpr("id", "id % 2 as day", "cast(id as string) as text")
        numbers.write.format("delta").partitionBy("day").save(table)
        read = spark.read.format("delta").load(table).where("day = 1").repartition(2, "id")
        read.mapInArrow(lambda batches: batches, "id long, day long, text string").groupBy("day").count().collect()
        stream = spark.readStream.format("delta").load(table).writeStream.option("checkpointLocation", f"{directory}/c")
        query = stream.foreachBatch(lambda batch, _: batch.collect()).trigger(availableNow=True).start()
        query.awaitTermination()
    loader = spark.sparkContext._jvm.java.lang.Thread.currentThread().getContextClassLoader()  # type: ignore[union-attr]
    for name in ("sql.kafka010.KafkaSourceProvider", "sql.kafka010.KafkaMicroBatchStream"):
        loader.loadClass(f"org.apache.spark.{name}")
    spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
