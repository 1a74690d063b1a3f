"""### Maintenance

Each night, two tasks that do not depend on each other; batch jobs take turns (pool `clickstream_batch`):

- `prune` deletes events and their ids that are older than `CLICKSTREAM_RETENTION_DAYS`: nothing when that is not set.
  Sessions, counts and models stay. The stream refuses from then on what is older (`too_old`), and such days cannot be
  backfilled any more. It waits for the stream and the models for moments, and they for it. Results of checks go after
  `CLICKSTREAM_CHECKS_RETENTION_DAYS`.
- `archive` submits `spark_jobs/archive.py --upkeep`, which archives what Kafka has, joins the many small files of the
  archive's commits into few, and deletes files that no version of the last week needs. Readers and writers go on
  meanwhile. One core, lowest priority.

With `dry_run` both only count. The counts are in the log and in table `maintenance_runs`. A second run finds nothing to
do. docs/operations.md has more.

**When it fails**: nothing is half done; clear the task. `LockNotAvailable`: a query reads `events` all the time, end it
(`clickstream doctor` names slow ones). An error of the archive: as in `clickstream_archive`.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable, Param, get_current_context, task

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
    params={"dry_run": Param(False, type="boolean", description="Delete and compact nothing, only count")},
    default_args={"pool": "clickstream_batch", "retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["clickstream"],
):

    @task(execution_timeout=timedelta(hours=2))
    def prune() -> dict[str, int]:
        """Take away what is older than the retention; the counts are the task's result."""
        from clickstream.warehouse.retention import prune as prune_events

        return prune_events(settings(), get_current_context()["params"]["dry_run"])

    prune()

    SessionSparkSubmitOperator(
        task_id="archive",
        conn_id="clickstream_spark_archive",
        application=str(JOBS / "archive.py"),
        application_args=["{{ '--dry-run' if params.dry_run else '--upkeep' }}"],
        name="clickstream-maintenance",
        properties_file=str(JOBS / "spark-defaults.conf"),
        niceness=19,
        durable=False,
        execution_timeout=timedelta(hours=6),
    )
