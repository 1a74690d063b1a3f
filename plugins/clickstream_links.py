"""Links from tasks to what their run made. Airflow has this folder on every component's path.

`Dashboard` is registered by the plugin, so the API server makes its address when a task is looked at, also while the
task runs. `SparkUi` belongs to SessionSparkSubmitOperator: only the task knows the address, and stores it.
"""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import BaseOperatorLink

_DASHBOARDS = {
    "clickstream_generate": "live",
    "clickstream_stream": "live",
    "clickstream_models": "sessions",
    "clickstream_archive": "trust",
    "clickstream_backfill": "trust",
    "clickstream_maintenance": "trust",
    "clickstream_replay": "trust",
    "clickstream_erase": "trust",
}
# Tasks of clickstream_models whose tables another dashboard shows.
_TASKS = {
    r"funnels\..*|funnel_alerts": "funnels",
    r"hours\.journey_flows|days\.paths_daily": "journeys",
    r"weeks\..*|pages|(hours|days)\.(acquisition|pages|page_loads|products).*": "acquisition",
    r"claim|check.*|gate|release|reconciliation|hours\.late_hourly|days\.bots_daily": "trust",
}
_FUNNEL = re.compile(r"funnels\.([^.]+)\.")


def dashboard(dag_id: str, task_id: str) -> str | None:
    """The slug of the dashboard that shows what a task makes; None for DAGs of others."""
    if dag_id not in _DASHBOARDS:
        return None
    if dag_id == "clickstream_models":
        name = next((name for tasks, name in _TASKS.items() if re.fullmatch(tasks, task_id)), "sessions")
    else:
        name = _DASHBOARDS[dag_id]
    return f"clickstream-{name}"


def filters(slug: str, funnel: str | None, days: str | None) -> str:
    """Superset's `native_filters` (rison): a funnel and a time range, by the ids that the bundle gives its filters.

    `funnel` and `days` have no character that rison quotes.
    """
    chosen = []
    if funnel:
        chosen.append(
            f"NATIVE_FILTER-{slug}-funnel:(id:NATIVE_FILTER-{slug}-funnel,"
            f"extraFormData:(filters:!((col:funnel,op:IN,val:!('{funnel}')))),filterState:(value:!('{funnel}')))"
        )
    if days:
        chosen.append(
            f"NATIVE_FILTER-{slug}-time:(id:NATIVE_FILTER-{slug}-time,"
            f"extraFormData:(time_range:'{days}'),filterState:(value:'{days}'))"
        )
    return f"({','.join(chosen)})" if chosen else ""


class Dashboard(BaseOperatorLink):
    """The Superset dashboard, narrowed to the funnel and the days that the run built."""

    name = "Dashboard"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002
        """Empty for tasks of other DAGs, which hides the link."""
        from clickstream.settings import settings

        slug = dashboard(ti_key.dag_id, ti_key.task_id)
        if slug is None:
            return ""
        funnel = _FUNNEL.match(ti_key.task_id)
        built = ti_key.dag_id in ("clickstream_models", "clickstream_backfill")
        chosen = filters(slug, funnel[1] if funnel else None, _days(ti_key.dag_id, ti_key.run_id) if built else None)
        query = f"?native_filters={quote(chosen, safe='')}" if chosen else ""
        return f"{settings().superset_url}/superset/dashboard/{slug}/{query}"


def _days(dag_id: str, run_id: str) -> str | None:
    """The UTC days of a run's data interval as Superset's time range; None for a run that is not there.

    A run by hand without a date has none: its DAG takes the day when it was asked for.
    """
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    with create_session(scoped=False) as session:
        wanted = select(
            func.coalesce(DagRun.data_interval_start, DagRun.run_after),
            func.coalesce(DagRun.data_interval_end, DagRun.run_after),
        )
        interval = session.execute(wanted.where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).one_or_none()
    if interval is None:
        return None
    start, end = interval
    # The end is exclusive: midnight belongs to the day before.
    last = max(end - timedelta(microseconds=1), start).date() + timedelta(days=1)
    return f"{start.date()} : {last}"


class SparkUi(BaseOperatorLink):
    """Spark's own pages, while the job runs."""

    name = "Spark UI"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002
        """Called when the task has ended, and its pages with it: an empty address hides the link."""
        return ""


class ClickstreamLinksPlugin(AirflowPlugin):
    """The link on every task of ours."""

    name = "clickstream_links"
    global_operator_extra_links = [Dashboard()]  # noqa: RUF012
