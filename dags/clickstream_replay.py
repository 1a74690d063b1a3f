"""### Dead letters back

By hand: sends dead letters back to Kafka, as they are, that the contract accepts by now: after a rule of the contract
was loosened, or when an event of the future has had its time. The stream stores none twice, and what was sent back is
skipped the next time. What needs mending goes by the command line (`clickstream dead-letters replay --help`).

The first run is dry unless you say otherwise: it counts what would be sent and what would be refused again, and why.
The counts are the task's result, and in table `maintenance_runs`.

**When it fails**: what Kafka acknowledged is marked and skipped by the next run; what it did not take lies in the spool
and goes out first. So run it again once Kafka and PostgreSQL are back. Letters that are `refused` again do not fail it:
mend those by the command line.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param, get_current_context, task

from clickstream.contract import Reason
from clickstream_assets import DEAD_LETTERS, TOPIC

with DAG(
    dag_id="clickstream_replay",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    params={
        "reason": Param(
            None, type=["null", "string"], enum=[None, *map(str, Reason)], description="Only letters with this reason"
        ),
        "contains": Param(
            None, type=["null", "string"], maxLength=200, description="Only letters whose detail contains this"
        ),
        "dry_run": Param(True, type="boolean", description="Send nothing, only count"),
    },
    default_args={"execution_timeout": timedelta(hours=2)},
    tags=["clickstream"],
):

    @task(inlets=[DEAD_LETTERS], outlets=[TOPIC])
    def replay() -> dict[str, int]:
        """Send or count; the counts are the task's result."""
        from clickstream.dead_letters.letters import Filter
        from clickstream.dead_letters.run import replay_letters
        from clickstream.settings import settings

        params = get_current_context()["params"]
        wanted = Filter([params["reason"]] if params["reason"] else None, contains=params["contains"], pending=True)
        return replay_letters(settings(), wanted, params["dry_run"])

    replay()
