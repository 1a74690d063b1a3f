"""How much memory a job takes, sampled while it runs."""

import threading
from types import TracebackType

import psutil

from local.spark import SparkJob

from . import processes

MB = 2**20
_EVERY_SECONDS = 0.5


class PeakMemory:
    """The largest sum of PSS over the JVM, the driver and all Python workers; PSS counts shared pages once."""

    def __init__(self, job: SparkJob) -> None:
        self.peak_mb = 0.0
        self.parts_mb: dict[str, float] = {}
        self._session = job.process.pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(30)

    def _sample(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            parts: dict[str, float] = {}
            for process in processes.members(self._session):
                try:
                    size = process.memory_full_info().pss / MB
                    part = "JVM" if process.name() == "java" else "Python"
                except psutil.Error:
                    continue
                parts[part] = parts.get(part, 0) + size
            if sum(parts.values()) > self.peak_mb:
                self.peak_mb, self.parts_mb = sum(parts.values()), parts
