"""What draining a topic costs: the rate from the audit rows, CPU seconds by part, peak memory."""

import contextlib
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import psutil
import psycopg
from contenders import Program

from clickstream.settings import Settings
from local.spark import SparkJob

PARTS = ("jvm", "python", "postgres", "kafka", "rest")
_STALLED_SECONDS = 120


@dataclass
class CpuMeter:
    """CPU seconds of every process of the machine since the meter was made; what ends in between stays counted."""

    job: int
    _base: dict[tuple[int, float], float] = field(default_factory=dict)
    _seen: dict[tuple[int, float], tuple[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sample()
        self._base = {key: seconds for key, (_, seconds) in self._seen.items() if key[0] != self.job}

    def sample(self) -> None:
        """Read all processes; call it more often than processes come and go."""
        job = {process.pid for process in psutil.Process(self.job).children(recursive=True)} | {self.job}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, IndexError):
                times, line = process.cpu_times(), process.cmdline()
                part = _part(line, process.pid in job)
                self._seen[process.pid, process.create_time()] = part, times.user + times.system

    def spent(self) -> dict[str, float]:
        """Seconds by part."""
        total = dict.fromkeys(PARTS, 0.0)
        for key, (part, seconds) in self._seen.items():
            total[part] += seconds - self._base.get(key, 0.0)
        return total


def _part(line: list[str], ours: bool) -> str:
    if ours:
        return "jvm" if "java" in line[0] else "python"
    if "postgres" in line[0]:
        return "postgres"
    return "kafka" if "kafka.Kafka" in line else "rest"


def drain(platform: Settings, records: int, job: SparkJob | Program, began: float) -> dict[str, Any]:
    """Wait until so many records are stored; rates (warm-up left out), CPU µs a record, peak PSS.

    Raises RuntimeError when the job ends before, or stores nothing for two minutes.
    """
    meter, peak, done, moved = CpuMeter(job.process.pid), 0.0, 0, time.monotonic()
    with psycopg.connect(platform.postgres_reader.get_secret_value(), autocommit=True) as reader:
        while done < records:
            time.sleep(1)
            if not job.running():
                raise RuntimeError(f"the job ended after {done:,} of {records:,} records")
            if time.monotonic() - moved > _STALLED_SECONDS:
                raise RuntimeError(f"stored nothing for {_STALLED_SECONDS} s, after {done:,} of {records:,} records")
            meter.sample()
            peak = max(peak, pss_mb(job.process.pid))
            before = done
            [(done,)] = reader.execute("select coalesce(sum(read), 0) from clickstream.stream_slices").fetchall()
            moved = time.monotonic() if done > before else moved
        slices = reader.execute(
            "select extract(epoch from applied_at)::float8, read, partition, duplicate, rejected"
            " from clickstream.stream_slices order by applied_at"
        ).fetchall()
    rates, warm = slice_rates(slices, records)
    seconds = warm[-1][0] - warm[0][0]
    return {
        "first_commit_seconds": round(slices[0][0] - began, 1),
        "drained_per_second_median": round(sum(statistics.median(each) for each in rates.values())),
        "drained_per_second_mean": round(sum(read for _, read in warm[1:]) / seconds) if seconds else 0,
        "duplicates": sum(row[3] for row in slices),
        "rejected": sum(row[4] for row in slices),
        "transactions": len(slices),
        "job_peak_pss_mb": round(peak),
        "cpu_us_per_record": {part: round(spent / int(done) * 1e6, 1) for part, spent in meter.spent().items()},
    }


def slice_rates(
    slices: list[tuple[float, int, int, int, int]], records: int
) -> tuple[dict[int, list[float]], list[tuple[float, int]]]:
    """Records/s of each slice since the one before in its partition, and (time, records) of all; without warm-up."""
    rates: dict[int, list[float]] = {}
    last: dict[int, float] = {}
    warm, total = [], 0
    for at, read, partition, *_ in slices:
        total += read
        if total > records / 5:
            warm.append((at, read))
            if partition in last:
                rates.setdefault(partition, []).append(read / (at - last[partition]))
        last[partition] = at
    return rates, warm


def pss_mb(pid: int) -> float:
    """The proportional set size of a process and all below it."""
    root = psutil.Process(pid)
    size = 0
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            size += process.memory_full_info().pss
    return size / 2**20
