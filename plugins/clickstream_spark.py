"""spark-submit for drivers on this host, ended as a whole. Airflow has this folder on every component's path."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import BaseHook

from clickstream_links import SparkUi

_UI = re.compile(r"Spark UI: (https?://\S+)")  # what our jobs log when their session is made


class SessionSparkSubmitHook(SparkSubmitHook):
    """Runs spark-submit in a session of its own, so that all of it can be ended: Spark's Python daemon leaves the
    process group, never the session."""

    # The task's supervisor kills a task that has not ended 5 s after its SIGTERM.
    grace_seconds = 3.0
    niceness = 0
    on_ui: Callable[[str], None] | None = None

    @classmethod
    def like(
        cls, hook: SparkSubmitHook, niceness: int, on_ui: Callable[[str], None] | None = None
    ) -> "SessionSparkSubmitHook":
        """A hook of this class in the state of the provider's; `on_ui` is called with the address of Spark's pages."""
        same = cls.__new__(cls)
        same.__dict__.update(hook.__dict__)
        same.niceness = niceness
        same.on_ui = on_ui
        return same

    def _process_spark_submit_log(self, itr: Iterator[Any]) -> None:
        super()._process_spark_submit_log(self._watched(itr))

    def _watched(self, lines: Iterator[Any]) -> Iterator[Any]:
        for line in lines:
            if self.on_ui and (found := _UI.search(line)):
                self.on_ui(found[1])
            yield line

    def _build_spark_submit_command(self, application: str) -> list[str]:
        # `nice` becomes the program that it starts: the process is spark-submit's all the same.
        nice = ["nice", "-n", str(self.niceness)] if self.niceness else []
        return [*nice, *super()._build_spark_submit_command(application)]

    def _build_spark_common_args(self) -> list[str]:
        return [*super()._build_spark_common_args(), "--load-spark-defaults"]

    def submit(self, application: str = "", **kwargs: Any) -> str | None:
        """As the provider's, in a new session, of which nothing is left when it returns or raises."""
        try:
            return super().submit(application, start_new_session=True, **kwargs)
        finally:
            # A driver that was killed leaves its Python workers; they must not meet those of the next.
            if self._submit_sp is not None:
                _signal_session(self._submit_sp.pid, signal.SIGKILL)

    def on_kill(self) -> None:
        """End every process of the session: politely, then for good after `grace_seconds`."""
        if self._submit_sp is not None:
            session = self._submit_sp.pid
            self.log.info("Ending the processes of session %s", session)
            _signal_session(session, signal.SIGTERM)
            deadline = time.monotonic() + self.grace_seconds
            while session_processes(session) and time.monotonic() < deadline:
                time.sleep(0.1)
            _signal_session(session, signal.SIGKILL)
        super().on_kill()


class SessionSparkSubmitOperator(SparkSubmitOperator):
    """SparkSubmitOperator for a driver on this host: all its processes end with the task.

    The host's own spark-defaults.conf (SPARK_CONF_DIR) holds beside a `properties_file`, which wins.
    `niceness`: 0 to 19, the lowest priority.

    Raises:
        AirflowNotFoundException: there is no such connection (the provider's operator would turn to YARN).
    """

    operator_extra_links = (SparkUi(),)

    def __init__(self, *, niceness: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.niceness = niceness
        self._task_instance: Any = None

    def execute(self, context: Any) -> None:
        """Run the job; the link to its Spark UI is stored as soon as the job says where that is."""
        self._task_instance = context.get("ti")
        super().execute(context)

    def _get_hook(self) -> SparkSubmitHook:
        BaseHook.get_connection(self._conn_id)
        return SessionSparkSubmitHook.like(super()._get_hook(), self.niceness, self._store_ui)

    def _store_ui(self, address: str) -> None:
        if self._task_instance is None:
            return
        try:
            self._task_instance.xcom_push(key=SparkUi().xcom_key, value=address)
        except Exception:  # the job runs on: it is not worth less for a missing link
            self.log.warning("The link to %s could not be stored", address, exc_info=True)


def session_processes(session: int) -> list[psutil.Process]:
    """The processes of a session that still run (one that only waits to be reaped does not)."""
    members = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue
    return members


def _signal_session(session: int, number: signal.Signals) -> None:
    for process in session_processes(session):
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
