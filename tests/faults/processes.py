"""The processes of a streaming job: which is which, and how they are stopped and killed from outside."""

import contextlib
import os
import signal
from collections.abc import Iterable

import psutil

from local.spark import SparkJob


def members(session: int) -> list[psutil.Process]:
    """All living processes of a session: spark-submit's JVM, the driver, Spark's Python daemon and its workers."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def driver(job: SparkJob) -> psutil.Process:
    """The Python process that runs spark_jobs/stream.py, a child of the JVM (which has short-lived helpers, too)."""
    found = []
    for child in psutil.Process(job.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie is one, too
            if any("stream.py" in word for word in child.cmdline()):
                found.append(child)
    [process] = found
    return process


def send(number: signal.Signals, processes: Iterable[psutil.Process]) -> None:
    """The same signal to all, as nearly at once as can be."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
