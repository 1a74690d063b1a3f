"""### The SQL models

Every five minutes: builds the models for the users and hours that changed since the last run (late events included) and
for the run's own data interval, then checks them.

| task | what |
|---|---|
| `claim` | takes what to build: changed, left by a failed run, or in the data interval; forgets undeclared funnels |
| `hours.…` | traffic, page loads, products, journeys and late arrivals of the hours; the pages that are known |
| `days.…` | traffic, acquisition, pages, paths, products, session sizes and bots of the days |
| `weeks.…` | who came in which week, and retention by cohort |
| `funnels.…` | for each funnel who entered when, how far they got and how long it took, and the checks of that |
| `reconciliation` | offsets read = accepted + duplicate + rejected, for each partition |
| `check` | the checks of all models but funnels, written to `check_results` and shown in the log |
| `check_sessions`, `check_…` | sessions of the interval, and the ranges that `schema.yaml` gives; results kept, too |
| `gate` | fails when a check of severity `fail` did not pass and names it; warnings are named, too |
| `funnel_alerts` | judges the step rates that declare an alert, writes `anomalies`, calls webhooks |
| `release` | forgets what was claimed; without it the next run builds and checks the same again |

A run can be repeated: the same rows come out. To build a past range again:
`airflow backfill create --dag-id clickstream_models --from-date … --to-date … --reprocess-behavior completed`.
The SQL is in `sql/models`, the funnels are declared in `sql/funnels.yaml`; docs/models.md tells of each table.

**When it fails**: at `gate`, a check did not pass: the end of its log names check, figure and what was expected (its
SQL is in `checks.sql` of the model), and the link “Dashboard” shows all checks. Any other task: its log has the
statement and PostgreSQL's answer; `clickstream doctor` says whether PostgreSQL is well. Mend that and do nothing else:
the next run takes what this one claimed and builds it again.
"""

import json
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, TaskGroup, chain, task

from clickstream.funnels.compile import parameters
from clickstream.funnels.config import load_funnels
from clickstream.settings import settings
from clickstream_assets import DASHBOARDS, model
from clickstream_sql import BoundSQLCheckOperator, build, check_columns, check_sessions, run_sql

HOURS = ("traffic_hourly", "visits", "page_loads_hourly", "products_hourly", "journey_flows", "late_hourly")
DAYS = (
    "traffic_daily", "acquisition_daily", "pages_daily", "paths_daily", "products_daily", "session_sizes_daily",
    "bots_daily",
)  # fmt: skip
WEEKS = ("user_weeks", "retention_weekly")
FUNNEL = ("funnel_users", "funnel_steps", "funnel_times")
# The rows that a run built, by the first column of a table's key: one run is active at a time.
BUILT = {
    "hour": "hour in (select hour from clickstream.model_hours)",
    "day": "day in (select day from clickstream.model_days)",
    "week": "week in (select week from clickstream.retention_weeks)",
}
# A run that was triggered by hand without a date has no data interval: it builds what changed.
RUN = {
    "run_id": "{{ run_id }}",
    "interval_start": "{{ data_interval_start | default(dag_run.run_after, true) }}",
    "interval_end": "{{ data_interval_end | default(dag_run.run_after, true) }}",
}


@task
def funnel_alerts() -> None:
    """Judge the funnels' step rates, write anomalies, call webhooks."""
    from clickstream.funnels import alerts

    alerts.run()


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
    declared = {name: parameters(name, funnel) for name, funnel in load_funnels().items()}
    claim = run_sql("claim", {**RUN, "funnels": json.dumps(declared)}, "scope/funnels.sql", "scope/claim.sql")
    gate = BoundSQLCheckOperator(task_id="gate", sql="scope/gate.sql", parameters=RUN, retry_on_failure=False)
    reconciliation = build("reconciliation", RUN)
    pages = build("pages", RUN)
    with TaskGroup("hours") as hours:
        for name in HOURS:
            build(name, RUN)
    with TaskGroup("days") as days:
        for name in DAYS:
            build(name, RUN)
    with TaskGroup("weeks") as weeks:
        chain(*(build(name, RUN) for name in WEEKS))
    modelled = ("pages", *HOURS, *DAYS, *WEEKS, "reconciliation")
    check = run_sql("check", RUN, *(f"{name}/checks.sql" for name in modelled))
    checks = [check_sessions(RUN), *check_columns(RUN, BUILT)]
    models = list(map(model, (*modelled, *FUNNEL)))
    release = run_sql("release", RUN, "scope/release.sql", inlets=models, outlets=DASHBOARDS)
    with TaskGroup("funnels") as funnels:
        for name, own in declared.items():
            bound = {**RUN, **own}
            with TaskGroup(name):
                chain(
                    build("build", bound, *FUNNEL),
                    run_sql("check", bound, *(f"{table}/checks.sql" for table in FUNNEL)),
                )
    chain(claim, [pages, weeks, reconciliation, funnels])
    chain(pages, hours, days, check)
    chain([weeks, reconciliation], check, checks, gate)
    chain(funnels, gate, release)
    chain(gate, funnel_alerts())
