"""The tasks of clickstream_models without Airflow's scheduler: their own SQL and parameters, in the DAG's order."""

import logging
import runpy
import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import cache
from types import SimpleNamespace
from typing import Any

import psycopg
from airflow.providers.common.sql.hooks.sql import DbApiHook
from bench_servers import ROOT

from clickstream.settings import Settings

# Airflow's, of its import, writes to standard output, where the figures go.
logging.getLogger().handlers.clear()


class Models:
    """The DAG over one warehouse; each task is a transaction on a connection of its own, as a task of Airflow is."""

    def __init__(self, platform: Settings) -> None:
        sys.path.append(str(ROOT / "plugins"))
        self._dsn = platform.postgres_writer.get_secret_value()
        self._dag = runpy.run_path(str(ROOT / "dags" / "clickstream_models.py"))["release"].dag
        self._templates = self._dag.get_template_env()

    def run(self, start: datetime, end: datetime) -> dict[str, float]:
        """All tasks for a data interval: seconds by task. Raises AssertionError where a check stops the run."""
        return {task.task_id: self.run_task(task.task_id, start, end) for task in self._dag.topological_sort()}

    def run_task(self, task_id: str, start: datetime, end: datetime) -> float:
        """One task: its seconds."""
        task = self._dag.get_task(task_id)
        if not hasattr(task, "sql"):
            return seconds(task.python_callable)
        context = {
            "run_id": f"benchmark {end}",
            "data_interval_start": start.isoformat(),
            "data_interval_end": end.isoformat(),
            "dag_run": SimpleNamespace(run_after=None),
        }
        given = getattr(task, "parameters", None) or {}
        bound = {name: self._rendered(value, context) for name, value in given.items()}
        statements = _statements(self._rendered(task.sql, context))
        return seconds(lambda: self._execute(statements, bound, task_id == "gate"))

    def _rendered(self, text: Any, context: dict[str, Any]) -> Any:
        if not isinstance(text, str):
            return text
        get = self._templates.get_template if text.endswith(".sql") else self._templates.from_string
        return get(text).render(context)

    def _execute(self, statements: list[str], bound: dict[str, Any], gates: bool) -> None:
        with psycopg.connect(self._dsn) as connection:
            for statement in statements:
                cursor = connection.execute(statement, bound or None)
            found = cursor.fetchall() if cursor.description else []
        assert not gates or all(found[0]), found


@cache
def _statements(text: str) -> list[str]:
    """As the operator splits them (which takes a while)."""
    return DbApiHook.split_sql_string(text, strip_semicolon=True)


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
