"""### Erase a user

By hand: takes one user out of the spool, PostgreSQL, dead letters and the archive, sets a tombstone that keeps what
comes later out too, and recomputes the counts of the days that knew the user. Dry unless you say otherwise: it counts
what would go. The counts are in the log and in table `erasures`. What it cannot reach: docs/privacy.md.

Run it again after whatever ended it: it goes on. Batch jobs take turns (pool `clickstream_batch`).
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param

from clickstream.settings import settings
from clickstream_spark import SessionSparkSubmitOperator

JOBS = settings().home / "spark_jobs"

with DAG(
    dag_id="clickstream_erase",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    params={
        "user_id": Param(type="string", minLength=1, maxLength=128, description="The user to erase"),
        "dry_run": Param(True, type="boolean", description="Erase nothing, only count"),
    },
    tags=["clickstream"],
):
    SessionSparkSubmitOperator(
        task_id="erase",
        conn_id="clickstream_spark",
        application=str(JOBS / "erase.py"),
        application_args=["{{ '--dry-run' if params.dry_run else '--erase' }}"],
        # Not on the command line, which every user of the host may read.
        env_vars={"CLICKSTREAM_ERASE_USER": "{{ params.user_id }}"},
        name="clickstream-erase",
        properties_file=str(JOBS / "spark-defaults.conf"),
        pool="clickstream_batch",
        durable=False,
        execution_timeout=timedelta(hours=12),
    )
