"""`clickstream down` and `clickstream clean`."""

import shutil
import time

from local.layout import Layout
from local.processes import end, processes
from local.services import AIRFLOW, SERVERS, SUPERSET
from local.steps import Steps
from local.supervised import is_running, socket_file
from local.supervisor import Supervisor, SupervisorError


def down(layout: Layout, steps: Steps) -> None:
    """Stop in the reverse order: nobody's server goes before him. Keeps all data.

    Raises:
        SupervisorError: something does not stop.
    """
    supervisor = Supervisor(layout)
    if is_running(layout):
        states = supervisor.states()
        for name in (SUPERSET, AIRFLOW[1], AIRFLOW[2], AIRFLOW[0]):
            if states.get(name, {}).get("pid"):
                with steps.step(name):
                    supervisor.stop(name)
        # A Spark driver outlives the scheduler that started it; it stops at the end of its batch.
        with steps.step("what tasks have left"):
            _end_tasks(layout, supervisor)
        for name in reversed(SERVERS):
            if states.get(name, {}).get("pid"):
                with steps.step(name):
                    supervisor.stop(name)
        supervisor.shutdown()
        deadline = time.monotonic() + 30
        while is_running(layout):
            if time.monotonic() > deadline:
                raise SupervisorError(f"supervisord does not end; see {layout.logs / 'supervisord.log'}")
            time.sleep(0.1)
    end(processes(layout), 20)
    outside = socket_file(layout).parent
    if layout.state not in outside.parents:
        shutil.rmtree(outside, ignore_errors=True)


def clean(layout: Layout) -> None:
    """Remove `.local/`: data, secrets, environments.

    Raises:
        RuntimeError: the platform runs.
    """
    if is_running(layout) or processes(layout):
        raise RuntimeError("the platform runs: make down first")
    outside = socket_file(layout).parent
    if layout.state not in outside.parents:
        shutil.rmtree(outside, ignore_errors=True)
    shutil.rmtree(layout.state)


def _end_tasks(layout: Layout, supervisor: Supervisor) -> None:
    """Every process that belongs neither to supervisord nor to the servers."""
    keep = {info["pid"] for info in supervisor.states().values() if info["pid"]}
    found = [
        process
        for process in processes(layout)
        if process.pid not in keep and not keep.intersection(parent.pid for parent in process.parents())
    ]
    end([process for process in found if "supervisord" not in " ".join(process.cmdline())], 30)
