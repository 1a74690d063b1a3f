"""The page "Clickstream" in Airflow's navigation. Airflow has this folder on every component's path."""

from collections.abc import Callable
from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/clickstream"


class _Lazy:
    """An ASGI application made at its first request: every process of Airflow loads plugins, one serves them."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._application: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._application = self._application or self._make()
        await self._application(scope, receive, send)


def _application() -> Any:
    """Behind Airflow's own login: the plugin's routes have none of their own."""
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import requires_access_view
    from fastapi import Depends

    from clickstream.live_page import application

    return application([Depends(requires_access_view(AccessView.WEBSITE))], {"airflow": _airflow})


def _airflow() -> dict[str, Any]:
    """How Airflow's parts are, the last run of each DAG, the backfills that run, and where the stream's Spark UI is."""
    from airflow.api.common.airflow_health import get_airflow_health
    from airflow.models.dagrun import DagRun
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunType
    from sqlalchemy import func, select

    from clickstream_links import SparkUi

    with create_session(scoped=False) as session:
        newest = select(func.max(DagRun.id)).where(DagRun.dag_id.startswith("clickstream_")).group_by(DagRun.dag_id)
        runs = session.scalars(select(DagRun).where(DagRun.id.in_(newest)).order_by(DagRun.dag_id)).all()
        backfills = session.execute(
            select(DagRun.dag_id, DagRun.state, func.count())
            .where(DagRun.run_type == DagRunType.BACKFILL_JOB, DagRun.state.in_(("queued", "running")))
            .group_by(DagRun.dag_id, DagRun.state)
        ).all()
        spark_ui = session.scalar(
            select(XComModel.value)
            .join(DagRun, DagRun.id == XComModel.dag_run_id)
            .where(DagRun.dag_id == "clickstream_stream", DagRun.state == "running")
            .where(XComModel.key == SparkUi().xcom_key)
            .order_by(XComModel.timestamp.desc())
            .limit(1)
        )
        return {
            "spark_ui": spark_ui,
            "health": {part: state["status"] for part, state in get_airflow_health().items() if state["status"]},
            "runs": [
                {"dag_id": run.dag_id, "run_id": run.run_id, "state": run.state, "since": run.start_date}
                for run in runs
            ],
            "backfills": [{"dag_id": dag, "state": state, "runs": count} for dag, state, count in backfills],
        }


class ClickstreamLivePlugin(AirflowPlugin):
    """The page, and its entry in the navigation."""

    name = "clickstream_live"
    fastapi_apps = [{"app": _Lazy(_application), "url_prefix": PREFIX, "name": "Clickstream"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {"name": "Clickstream", "href": f"{PREFIX}/", "destination": "nav", "url_route": "clickstream"}
    ]
