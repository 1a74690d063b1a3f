"""### The stream

Always one run: submits `spark_jobs/stream.py`, which reads events from Kafka and folds them into PostgreSQL and Redis
in micro-batches until its time is over; then the next run starts. The link “Dashboard” shows what it makes, “Spark UI”
the job itself while it runs.

- A driver that fails or is killed is started again after 5 s. The new one takes the lease at once and goes on where
  the ledger in PostgreSQL says; one that was left behind cannot commit any more and ends by itself.
- Ending the task (or the run) ends all of Spark's processes.
- The Spark master is the connection `clickstream_spark`; what the job needs is in
  `spark_jobs/spark-defaults.conf`, what depends on the host in the one of its `SPARK_CONF_DIR`.

**When it fails**: `clickstream doctor` names the usual reasons with what helps. A try that fails is followed by the
next by itself, and nothing is stored twice; the last lines of its log say why. If each try fails the same way, mend
that and clear the task. A message about offsets or a recreated topic: docs/operations.md, Lost records. Pausing the DAG
lets the run finish; to stop it at once, mark the run failed.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param

from clickstream.settings import settings
from clickstream_assets import DEAD_LETTERS, LIVE, TABLES, TOPIC
from clickstream_spark import SessionSparkSubmitOperator

JOBS = settings().home / "spark_jobs"

with DAG(
    dag_id="clickstream_stream",
    doc_md=__doc__,
    schedule="@continuous",
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    params={
        "run_for": Param(
            21_600,
            type="integer",
            minimum=10,
            maximum=86_400,
            description="Seconds until the job stops after a finished batch and the next run takes over",
        ),
    },
    tags=["clickstream"],
):
    SessionSparkSubmitOperator(
        task_id="stream",
        conn_id="clickstream_spark",
        application=str(JOBS / "stream.py"),
        application_args=["--run-for", "{{ params.run_for }}"],
        name="clickstream-stream",
        properties_file=str(JOBS / "spark-defaults.conf"),
        durable=False,
        retries=100,
        retry_delay=timedelta(seconds=5),
        execution_timeout=timedelta(hours=25),
        inlets=[TOPIC],
        outlets=[*TABLES, DEAD_LETTERS, LIVE],
    )
