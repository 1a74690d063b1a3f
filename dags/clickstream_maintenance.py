"""### Maintenance

Each night: submits `spark_jobs/archive.py --upkeep`, which archives what Kafka has, joins the many small files of the
archive's commits into few, and deletes files that no version of the last week needs. Readers and writers go on
meanwhile; a second run finds nothing to do. One core, lowest priority; batch jobs take turns (pool
`clickstream_batch`).
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable

from clickstream.settings import settings
from clickstream_spark import SessionSparkSubmitOperator

JOBS = settings().home / "spark_jobs"

with DAG(
    dag_id="clickstream_maintenance",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("30 3 * * *", timezone="UTC"),
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["clickstream"],
):
    SessionSparkSubmitOperator(
        task_id="archive",
        conn_id="clickstream_spark_archive",
        application=str(JOBS / "archive.py"),
        application_args=["--upkeep"],
        name="clickstream-maintenance",
        properties_file=str(JOBS / "spark-defaults.conf"),
        pool="clickstream_batch",
        niceness=19,
        durable=False,
        retries=2,
        retry_delay=timedelta(minutes=5),
        execution_timeout=timedelta(hours=6),
    )
