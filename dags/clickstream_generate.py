"""### Simulated visitors

Every five minutes: simulates the events that the shop's visitors cause in [logical date, logical date + 5 minutes) and
produces them to Kafka.

- A window that is now is produced at the pace of the clock, so the run takes its five minutes (two runs may overlap).
- A window that is over is produced as fast as Kafka takes it, with the header `source: backfill`.
- The events of a window depend on the seed, the settings and the window alone: a run that is repeated makes the same
  events with the same ids, and the stream stores none twice.

History, window by window; both ends are included, so this is one hour:
`airflow backfill create --dag-id clickstream_generate --from-date 2026-01-01T10:00Z --to-date 2026-01-01T10:55Z`
(`--reprocess-behavior completed` produces windows again that are done; faster for long ranges, in one go:
`clickstream generate --from … --to …`). Rate and seed are settings (`CLICKSTREAM_GENERATOR_…`), not params: every run
must simulate the same shop. Kafka is reached through the connection `clickstream_kafka`.

**When it fails**: what Kafka did not acknowledge lies in the spool and is sent first by the next run or try; nothing is
lost, and nothing is stored twice. `clickstream doctor` says whether Kafka answers and the topic is as it should be. A
window that failed for good: clear its task, now or later. The link “Dashboard” shows the visitors arrive.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronTriggerTimetable, get_current_context, task

from clickstream_assets import TOPIC

WINDOW = timedelta(minutes=5)

with DAG(
    dag_id="clickstream_generate",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("*/5 * * * *", timezone="UTC"),
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=2,
    default_args={
        "retries": 3,
        "retry_delay": timedelta(seconds=10),
        "execution_timeout": timedelta(minutes=30),
    },
    tags=["clickstream"],
):

    @task(outlets=[TOPIC])
    def produce() -> str:
        """Produce the run's window; the report is the task's result."""
        from clickstream.producer import run_window
        from clickstream_kafka import KafkaConfigHook

        context = get_current_context()
        # Airflow's dates are of pendulum's class; the generator's ledger takes plain ones only.
        date = context.get("logical_date") or context["dag_run"].run_after
        start = datetime.fromtimestamp(date.timestamp(), UTC)
        report = run_window(KafkaConfigHook("clickstream_kafka").get_conn, start, start + WINDOW)
        return str(report)

    produce()
