"""### Erase a user

By hand: takes one user out of the spool, PostgreSQL, dead letters and the archive, sets a tombstone that keeps what
comes later out too, and recomputes the counts of the days that knew the user. Dry unless you say otherwise: it counts
what would go. The counts are in the log and in table `erasures`. What it cannot reach: docs/privacy.md.

Batch jobs take turns (pool `clickstream_batch`).

**When it fails**: it is tried again by itself, and goes on where it ended; the last lines of its log say why. A day
that cannot be recomputed is named there and keeps no other from it: the user's rows and records are gone then, but that
day's counts still have the user. Mend what is named (docs/backfill.md) and clear the task, or run it again for the same
user. Without `CLICKSTREAM_USER_HASH_KEY`, or with another than the tombstones were made with, it does nothing and says
so.
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
        retries=2,
        retry_delay=timedelta(minutes=1),
        execution_timeout=timedelta(hours=12),
    )
