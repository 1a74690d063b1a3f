"""The SparkSubmitOperator's subclass with real spark-submits: nothing of Spark outlives its task."""

import json
import os
import sysconfig
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

# A driver with a Python worker that is busy until it is ended; the worker says when it has begun.
JOB = """
import sys, time
from pathlib import Path
from pyspark.sql import SparkSession

begun = Path(sys.argv[1])

def busy(batches):
    begun.touch()
    time.sleep(600)
    yield from batches

spark = SparkSession.builder.getOrCreate()
begun.with_name("said").write_text(spark.conf.get("spark.test.here") + " " + spark.conf.get("spark.test.host"))
spark.range(1).mapInArrow(busy, "id long").collect()
"""


pytestmark = pytest.mark.usefixtures("plugins")


class Run:
    """An operator that executes in a thread."""

    def __init__(self, operator: Any) -> None:
        self.operator = operator
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._execute)
        self.thread.start()

    def _execute(self) -> None:
        try:
            self.operator.execute({})
        except BaseException as error:
            self.error = error

    @property
    def processes(self) -> list[psutil.Process]:
        """All that spark-submit started and still runs."""
        from clickstream_spark import session_processes

        submitted = self.operator._hook._submit_sp
        return session_processes(submitted.pid) if submitted else []


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A job whose Python worker is busy; whatever a test leaves is ended."""
    from clickstream_spark import SessionSparkSubmitOperator

    monkeypatch.setenv("AIRFLOW_CONN_CLICKSTREAM_SPARK", json.dumps({"conn_type": "spark", "host": "local[1]"}))
    monkeypatch.setenv("PATH", sysconfig.get_path("scripts"), prepend=os.pathsep)
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    host = {"spark.test.host": "host", "spark.test.here": "host", "spark.sql.warehouse.dir": tmp_path / "warehouse"}
    (tmp_path / "spark-defaults.conf").write_text("".join(f"{name} {value}\n" for name, value in host.items()))
    (tmp_path / "log4j2.properties").write_text("rootLogger.level = warn\n")
    (tmp_path / "job.conf").write_text("spark.test.here job\n")
    job, begun = tmp_path / "job.py", tmp_path / "begun"
    job.write_text(JOB)
    operator = SessionSparkSubmitOperator(
        task_id="job",
        conn_id="clickstream_spark",
        application=str(job),
        application_args=[str(begun)],
        properties_file=str(tmp_path / "job.conf"),
        niceness=3,
        durable=False,
    )
    running = Run(operator)
    try:
        wait_for(lambda: begun.exists() or not running.thread.is_alive(), 120, "the Python worker begins")
        assert running.error is None, running.error
        yield running
    finally:
        for process in running.processes:
            process.kill()
        running.thread.join(30)


def test_on_kill_ends_all_processes(run: Run) -> None:
    said = Path(run.operator.application).with_name("said").read_text()
    assert said == "job host", "the job's properties win, the host's hold beside them"
    before = run.processes
    groups = {os.getpgid(process.pid) for process in before}
    assert len(groups) > 1, "Spark's Python daemon has a process group of its own; else this test shows nothing"
    assert os.getsid(0) not in {os.getsid(process.pid) for process in before}
    began = time.monotonic()
    run.operator.on_kill()
    assert time.monotonic() - began < 4.5, "Airflow kills a task 5 s after its SIGTERM"
    wait_for(lambda: not run.processes, 10, "all processes of the session end")
    run.thread.join(10)
    assert "Error code is" in str(run.error)


def test_a_killed_driver_leaves_no_python_workers(run: Run) -> None:
    [driver] = [process for process in run.processes if process.pid == run.operator._hook._submit_sp.pid]
    assert driver.name() == "java"
    assert driver.nice() == min(psutil.Process().nice() + 3, 19)
    assert len(run.processes) >= 3
    driver.kill()
    run.thread.join(10)
    assert "Error code is: -9" in str(run.error)
    wait_for(lambda: not run.processes, 10, "all processes of the session end")


def test_a_missing_connection_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.exceptions import AirflowNotFoundException

    from clickstream_spark import SessionSparkSubmitOperator

    monkeypatch.delenv("AIRFLOW_CONN_CLICKSTREAM_SPARK", raising=False)
    with pytest.raises(AirflowNotFoundException, match="clickstream_spark"):
        SessionSparkSubmitOperator(task_id="job", conn_id="clickstream_spark", application="job.py").execute({})
