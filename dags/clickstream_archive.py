"""### The archive

Every ten minutes: submits `spark_jobs/archive.py`, which appends what Kafka has and the archive has not to a Delta
table (`CLICKSTREAM_ARCHIVE`, on one machine `.local/archive`): the bytes as they came, their offsets and Kafka times.

- Each commit of the table carries the offset that it reaches: a run that is killed is gone on with by the next, and no
  record is there twice.
- It runs with the lowest priority and one core, so that the stream does not wait for it; batch jobs take turns (pool
  `clickstream_batch`).
- Kafka keeps records for a week (`CLICKSTREAM_TOPIC_RETENTION_HOURS`): what was not archived by then is lost to it.

**When it fails**: the next run goes on where this one ended, so one failure needs nothing. If all fail, read the task's
log: Kafka or PostgreSQL away (`clickstream doctor`), a full disk, or an archive of an earlier topic of this name (the
message says what to do). Mend it within Kafka's retention.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from clickstream.settings import settings
from clickstream_assets import ARCHIVE, TOPIC
from clickstream_spark import SessionSparkSubmitOperator

JOBS = settings().home / "spark_jobs"

with DAG(
    dag_id="clickstream_archive",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("*/10 * * * *", timezone="UTC"),
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["clickstream"],
):
    SessionSparkSubmitOperator(
        task_id="archive",
        conn_id="clickstream_spark_archive",
        application=str(JOBS / "archive.py"),
        name="clickstream-archive",
        properties_file=str(JOBS / "spark-defaults.conf"),
        pool="clickstream_batch",
        niceness=19,
        durable=False,
        retries=2,
        retry_delay=timedelta(seconds=30),
        execution_timeout=timedelta(hours=2),
        inlets=[TOPIC],
        outlets=[ARCHIVE],
    )
