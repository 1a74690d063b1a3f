"""The processes of this checkout's platform: supervisord, what it watches, and whatever those started.

Each carries `MARK` in its environment, so that also an orphan (a Spark JVM whose Airflow task was killed) is found.
"""

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator

import psutil

from local.layout import Layout
from local.supervised import MARK, supervisor_pid


def processes(layout: Layout) -> list[psutil.Process]:
    """All living processes of the platform that we may look at, ourselves excepted.

    Those with the mark, supervisord, and the descendants of both (PostgreSQL's overwrite the mark with a title).
    """
    mark, supervisor = str(layout.state), supervisor_pid(layout)
    alive = {process.pid: process for process in psutil.process_iter()}
    parents, ours = {}, set()
    for pid, process in alive.items():
        with contextlib.suppress(psutil.Error):
            parents[pid] = process.ppid()
            if pid == supervisor or process.environ().get(MARK) == mark:
                ours.add(pid)
    return [
        process for pid, process in alive.items() if pid != os.getpid() and not ours.isdisjoint(_line(pid, parents))
    ]


def memory_by_service(layout: Layout, roots: dict[str, int]) -> dict[str, int]:
    """Proportional set size in bytes of each service with its children; `roots` are their process ids.

    What Airflow's tasks started (Spark) is `tasks`; what else carries the mark is `other`.
    """
    owner = {pid: name for name, pid in roots.items()}
    parents = {}
    sizes: dict[str, int] = {}
    alive = processes(layout)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            parents[process.pid] = process.ppid()
    for process in alive:
        with contextlib.suppress(psutil.Error):
            name = "tasks" if _is_task(process) else _owner(process.pid, owner, parents)
            sizes[name] = sizes.get(name, 0) + process.memory_full_info().pss
    return sizes


def end(found: Iterable[psutil.Process], seconds: float) -> int:
    """Ask processes to end (SIGTERM), wait, then kill those that did not; returns how many there were."""
    listed = list(found)
    for process in listed:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(listed, timeout=seconds)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=5)
    return len(listed)


def _is_task(process: psutil.Process) -> bool:
    """Airflow tells its tasks which one they are; all that a task starts inherits it."""
    try:
        return "AIRFLOW_CTX_DAG_ID" in process.environ()
    except psutil.AccessDenied:
        return False


def _owner(pid: int, owner: dict[int, str], parents: dict[int, int]) -> str:
    return next((owner[ancestor] for ancestor in _line(pid, parents) if ancestor in owner), "other")


def _line(pid: int, parents: dict[int, int]) -> Iterator[int]:
    """A process and its ancestors."""
    while pid in parents:
        yield pid
        pid = parents[pid]
