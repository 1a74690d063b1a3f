"""Links from tasks: which dashboard, narrowed to what the run built; Spark's pages while they are there."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

pytestmark = pytest.mark.usefixtures("plugins")

BUNDLE = Path(__file__).parents[2] / "include" / "superset" / "bundle" / "dashboards"

# In a process of its own, with Airflow's database: the link as the API server makes it.
LINKS = """
import json, sys
from datetime import UTC, datetime

from airflow import plugins_manager
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType, DagRunType

day = datetime(2026, 11, 23, tzinfo=UTC)
with create_session() as session:
    session.merge(DagBundleModel(name="dags-folder"))
    session.flush()
    for dag_id in ("clickstream_backfill", "clickstream_models"):
        session.merge(DagModel(dag_id=dag_id, bundle_name="dags-folder"))
        session.flush()
        session.add(DagRun(
            dag_id=dag_id, run_id="r", run_type=DagRunType.MANUAL, state="running", logical_date=day, run_after=day,
            data_interval=(day, day.replace(day=24) if dag_id.endswith("backfill") else day.replace(minute=5)),
            triggered_by=DagRunTriggeredByType.TEST,
        ))
    session.add(DagRun(
        dag_id="clickstream_backfill", run_id="by_hand", run_type=DagRunType.MANUAL, state="running",
        run_after=day.replace(day=26, hour=7), triggered_by=DagRunTriggeredByType.TEST,
    ))
[link] = plugins_manager.get_global_operator_extra_links()
for dag_id, task_id, run_id in json.loads(sys.argv[1]):
    print("LINK", link.get_link(None, ti_key=TaskInstanceKey(dag_id, task_id, run_id, 1)))
"""


def test_every_slug_and_filter_is_in_the_bundle() -> None:
    import clickstream_links

    slugs, ids = set(), set()
    for file in BUNDLE.glob("*.yaml"):
        dashboard = yaml.safe_load(file.read_text())
        slugs.add(dashboard["slug"])
        ids |= {one["id"] for one in dashboard["metadata"]["native_filter_configuration"]}
    names = {*clickstream_links._DASHBOARDS.values(), *clickstream_links._TASKS.values()}
    assert {f"clickstream-{name}" for name in names} <= slugs
    assert "NATIVE_FILTER-clickstream-funnels-funnel" in ids
    built = {"clickstream-sessions", "clickstream-funnels", "clickstream-acquisition", "clickstream-trust"}
    assert {f"NATIVE_FILTER-{slug}-time" for slug in built} <= ids


@pytest.mark.parametrize(
    ("dag_id", "task_id", "slug"),
    [
        ("clickstream_generate", "produce", "clickstream-live"),
        ("clickstream_stream", "stream", "clickstream-live"),
        ("clickstream_backfill", "backfill", "clickstream-trust"),
        ("clickstream_models", "claim", "clickstream-trust"),
        ("clickstream_models", "hours.traffic_hourly", "clickstream-sessions"),
        ("clickstream_models", "hours.products_hourly", "clickstream-acquisition"),
        ("clickstream_models", "hours.journey_flows", "clickstream-journeys"),
        ("clickstream_models", "days.paths_daily", "clickstream-journeys"),
        ("clickstream_models", "days.bots_daily", "clickstream-trust"),
        ("clickstream_models", "weeks.retention_weekly", "clickstream-acquisition"),
        ("clickstream_models", "funnels.purchase.build", "clickstream-funnels"),
        ("another", "task", None),
    ],
)
def test_dashboard_of_a_task(dag_id: str, task_id: str, slug: str | None) -> None:
    from clickstream_links import dashboard

    assert dashboard(dag_id, task_id) == slug


def test_links_as_the_api_server_makes_them(airflow_environment: dict[str, str]) -> None:
    asked = [
        ("clickstream_stream", "stream", "r"),
        ("clickstream_models", "funnels.purchase.build", "r"),
        ("another", "task", "r"),
        ("clickstream_backfill", "backfill", "r"),
        ("clickstream_backfill", "backfill", "by_hand"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", LINKS, json.dumps(asked)],
        env=airflow_environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    stream, funnel, other, day, by_hand = [line[5:] for line in done.stdout.splitlines() if line.startswith("LINK")]
    assert stream == "http://127.0.0.1:8088/superset/dashboard/clickstream-live/"
    assert other == ""
    assert urlsplit(funnel).path == "/superset/dashboard/clickstream-funnels/"
    [chosen] = parse_qs(urlsplit(funnel).query)["native_filters"]
    assert chosen == (
        "(NATIVE_FILTER-clickstream-funnels-funnel:(id:NATIVE_FILTER-clickstream-funnels-funnel,"
        "extraFormData:(filters:!((col:funnel,op:IN,val:!('purchase')))),filterState:(value:!('purchase'))),"
        "NATIVE_FILTER-clickstream-funnels-time:(id:NATIVE_FILTER-clickstream-funnels-time,"
        "extraFormData:(time_range:'2026-11-23 : 2026-11-24'),filterState:(value:'2026-11-23 : 2026-11-24')))"
    )
    [chosen] = parse_qs(urlsplit(day).query)["native_filters"]
    assert "time_range:'2026-11-23 : 2026-11-24'" in chosen
    [chosen] = parse_qs(urlsplit(by_hand).query)["native_filters"]
    assert "time_range:'2026-11-26 : 2026-11-27'" in chosen, "as the backfill without a date takes the day of the run"


class TaskInstance:
    """What of a running task takes the link; `away`: the API server is."""

    def __init__(self, away: bool) -> None:
        self.away, self.stored = away, {}

    def xcom_push(self, key: str, value: str) -> None:
        if self.away:
            raise ConnectionError("away")
        self.stored[key] = value


def test_a_link_that_cannot_be_stored_does_not_end_the_job() -> None:
    from clickstream_spark import SessionSparkSubmitOperator

    stored = []
    for away in (False, True):
        operator = SessionSparkSubmitOperator(task_id="stream")
        operator._task_instance = TaskInstance(away)
        operator._store_ui("http://127.0.0.1:4040")
        stored.append(operator._task_instance.stored)
    assert stored == [{"_link_SparkUi": "http://127.0.0.1:4040"}, {}]


def test_spark_ui_is_stored_when_the_job_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook

    from clickstream_links import SparkUi
    from clickstream_spark import SessionSparkSubmitHook

    monkeypatch.setenv("AIRFLOW_CONN_CLICKSTREAM_SPARK", json.dumps({"conn_type": "spark", "host": "local[1]"}))
    found: list[str] = []
    hook: Any = SessionSparkSubmitHook.like(SparkSubmitHook(conn_id="clickstream_spark"), 0, found.append)
    log = ["26/11/24 INFO x", "2026-11-24 INFO root: Spark UI: http://127.0.0.1:4041", "INFO root: Spark UI: None"]
    hook._process_spark_submit_log(iter(log))
    assert found == ["http://127.0.0.1:4041"]
    assert SparkUi().xcom_key == "_link_SparkUi"
    assert SparkUi().get_link(None, ti_key=None) == ""
