"""### The backfill

Each night: submits `spark_jobs/backfill.py`, which recomputes the UTC day that is over from the archive by the stream's
own functions and today's rules, compares the result with what is stored, notes what differs (`backfill_diffs`) and
replaces it in one transaction; then the same for up to seven earlier days that got events since they were last
backfilled. Zero differences prove that what the stream wrote equals a recompute.

After a rule has changed (a bot pattern, a page group, a channel), restart the stream and let history follow:
`airflow backfill create --dag-id clickstream_backfill --from-date 2026-11-01 --to-date 2026-11-20
--reprocess-behavior completed` (both dates are included; without the last option days that ran before are skipped;
`--dry-run` shows the days, `--max-active-runs 2` keeps the next one ready). The stream may write meanwhile. A run that
is killed changes nothing and can be run again.

`--dag-run-conf '{"compare_policies": true}'` changes nothing, but measures what gaps of 15, 30 and 60 minutes, a cut at
midnight or at a new campaign would make of each day (table `session_policies`).

By hand, a run takes the day that is over; param `day` names another, the current one included.

Batch jobs take turns (pool `clickstream_batch`). How it works and what it costs: docs/backfill.md.

**When it fails**: the log names each day that was refused and why; the other days of the run were swapped in, and a
refused day is as it was. Missing in the archive: only Kafka can bring it back, if it still has it. Refused by today's
contract: a rule became stricter than when the events came. Older than the retention: not any more. Anything else
(servers away, killed): clear the task.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, Param

from clickstream.settings import settings
from clickstream_assets import ARCHIVE, RECOMPUTED
from clickstream_spark import SessionSparkSubmitOperator

JOBS = settings().home / "spark_jobs"
CHANGED_DAYS = 7

with DAG(
    dag_id="clickstream_backfill",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=2,
    params={
        "day": Param(
            None,
            type=["null", "string"],
            format="date",
            description="The UTC day, such as 2026-11-20; none: that of the run",
        ),
        "compare_policies": Param(
            False,
            type="boolean",
            description="Change nothing; measure what other ways to cut sessions would make of the day",
        ),
    },
    tags=["clickstream"],
):
    SessionSparkSubmitOperator(
        task_id="backfill",
        conn_id="clickstream_spark",
        application=str(JOBS / "backfill.py"),
        application_args=[
            "--day",
            "{{ params.day or ((data_interval_start | default(dag_run.run_after, true)) | ds) }}",
            "--and-changed",
            f"{{{{ {CHANGED_DAYS} if dag_run.run_type == 'scheduled' else 0 }}}}",
            "{{ '--compare-policies' if params.compare_policies else '--swap' }}",
        ],
        name="clickstream-backfill",
        properties_file=str(JOBS / "spark-defaults.conf"),
        pool="clickstream_batch",
        niceness=10,
        durable=False,
        retries=2,
        retry_delay=timedelta(seconds=30),
        execution_timeout=timedelta(hours=6),
        inlets=[ARCHIVE],
        outlets=RECOMPUTED,
    )
