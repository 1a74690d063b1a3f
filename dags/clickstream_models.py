"""### The SQL models

Every five minutes: builds the models for the users whose events changed since the last run (late events included) and
for the run's own data interval, then checks them.

| task | what |
|---|---|
| `claim` | takes the users to build: changed, left by a failed run, or seen in the data interval |
| `<funnel>.funnel_users` | who entered a funnel on which day and how far each got |
| `<funnel>.funnel_steps` | users by day, device and step: counts of `funnel_users` |
| `reconciliation` | offsets read = accepted + duplicate + rejected, for each partition |
| `check_…` | write `check_results` and show them in the log |
| `gate` | fails when a check of severity `fail` did not pass and names it; warnings are named, too |
| `release` | forgets what was claimed; without it the next run builds and checks the same again |

A run can be repeated: the same rows come out. To build a past range again:
`airflow backfill create --dag-id clickstream_models --from-date … --to-date … --reprocess-behavior completed`.
The SQL is in `sql/models`, the funnels are declared in `sql/funnels.yaml`.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, TaskGroup, chain

from clickstream.models import funnel_parameters, load_funnels
from clickstream.settings import settings
from clickstream_sql import BoundSQLCheckOperator

# A run that was triggered by hand without a date has no data interval: it builds what changed.
RUN = {
    "run_id": "{{ run_id }}",
    "interval_start": "{{ data_interval_start | default(dag_run.run_after, true) }}",
    "interval_end": "{{ data_interval_end | default(dag_run.run_after, true) }}",
}


def run_sql(task_id: str, sql: str, parameters: dict[str, object]) -> SQLExecuteQueryOperator:
    """A task that runs a file of sql/models in one transaction and logs its last result."""
    return SQLExecuteQueryOperator(
        task_id=task_id, sql=sql, parameters=parameters, split_statements=True, show_return_value_in_logs=True
    )


with DAG(
    dag_id="clickstream_models",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("*/5 * * * *", timezone="UTC"),
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    template_searchpath=[str(settings().home / "sql" / "models")],
    default_args={
        "conn_id": "clickstream_postgres",
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "execution_timeout": timedelta(minutes=30),
    },
    tags=["clickstream"],
):
    claim = run_sql("claim", "scope/claim.sql", RUN)
    reconciliation = run_sql("reconciliation", "reconciliation/query.sql", RUN)
    check_stream = run_sql("check_stream", "reconciliation/checks.sql", RUN)
    gate = BoundSQLCheckOperator(task_id="gate", sql="scope/gate.sql", parameters=RUN, retry_on_failure=False)
    release = run_sql("release", "scope/release.sql", RUN)
    chain(claim, reconciliation, check_stream, gate, release)

    for name, funnel in load_funnels().items():
        parameters = {**RUN, **funnel_parameters(name, funnel)}
        with TaskGroup(name) as group:
            chain(
                run_sql("funnel_users", "funnel_users/query.sql", parameters),
                run_sql("funnel_steps", "funnel_steps/query.sql", parameters),
                run_sql("check_funnel_users", "funnel_users/checks.sql", parameters),
                run_sql("check_funnel_steps", "funnel_steps/checks.sql", parameters),
            )
        chain(claim, group, gate)
