"""Whether the archive keeps up, and what it costs the stream: its job every ten minutes, one core, lowest priority.

    python benchmarks/archive.py [--minutes 30] [--every 600] [--only keep-up|latency] [--own-servers]

keep-up: 20,000 records/s beside the stream; a run must end before the next is due, and no lag may grow.
latency: 1,000 records/s twice, without and with the archive; by how much the stream's p99 rises.

Both last so many minutes after a minute of warm-up, the second twice. A minute of keep-up takes about 2 GB of disk
until the end. Progress goes to stderr, JSON to stdout.
"""

import argparse
import contextlib
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from bench_servers import ROOT
from latency import console, paced

from clickstream.settings import Settings
from clickstream.stream.topic import topic_state
from local.spark import SparkJob

_MADE = re.compile(r"^(\S+ \S+) INFO root: Spark UI", re.MULTILINE)
_ARCHIVED = re.compile(r"^(\S+ \S+) INFO \S+: partition (\d+): archived up to offset (\d+)", re.MULTILINE)
Run = dict[str, float | int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=float, default=600, metavar="SECONDS", help="between the archive's beginnings")
    parser.add_argument("--only", choices=["keep-up", "latency"])
    parser.add_argument("--own-servers", action="store_true", help="PostgreSQL and Kafka for this run alone")
    given = parser.parse_args()
    figures: dict[str, Any] = {}
    if given.only != "latency":
        figures |= keep_up(given.minutes * 60, given.every, given.own_servers)
    if given.only != "keep-up":
        figures |= latency(given.minutes * 60, given.every, given.own_servers)
    print(json.dumps(figures, indent=2))


def keep_up(seconds: float, every: float, own_servers: bool, rate: float = 20_000) -> dict[str, Any]:
    """The slowest run of the archive, and how the lags went."""
    archive = Archive(every)
    stream = paced(rate, seconds, own_servers, archive.beside)
    return {
        "archive_paced_records_per_second": stream["paced_records_per_second"],
        "archive_longest_run_seconds": max(run["seconds"] for run in archive.runs),
        "archive_records_per_second": min(run["records_per_second"] for run in archive.runs),
        "archive_in_time": all(run["seconds"] < every for run in archive.runs),
        "archive_runs": archive.runs,
        "archive_stream_lag_mean_first_half": stream["lag_events_mean_first_half"],
        "archive_stream_lag_mean_second_half": stream["lag_events_mean_second_half"],
    }


def latency(seconds: float, every: float, own_servers: bool, rate: float = 1_000) -> dict[str, Any]:
    """The stream's p99 without and with the archive: of the whole time to the commit, of the worst minute to Redis."""
    archive = Archive(every)
    runs = {"without": paced(rate, seconds, own_servers), "with": paced(rate, seconds, own_servers, archive.beside)}
    figures = {
        f"{name}_{which}_archive": runs[which][name]
        for name in ("commit_p99_ms", "latency_p99_ms", "latency_p99_ms_each_minute")
        for which in runs
    }
    for name in ("commit_p99", "latency_p99"):
        figures[f"{name}_ratio"] = round(runs["with"][f"{name}_ms"] / runs["without"][f"{name}_ms"], 2)
    return {**figures, "latency_archive_runs": archive.runs}


class Archive:
    """The job, again `every` seconds, or as soon as the one before has ended; `runs` tells what each did."""

    def __init__(self, every: float) -> None:
        self.runs: list[Run] = []
        self._every = every
        self._reached: dict[int, int] = {}

    @contextlib.contextmanager
    def beside(self, platform: Settings, environment: dict[str, str], directory: Path) -> Iterator[None]:
        """Run it during the block, the first time when `every` is over."""
        over = threading.Event()

        def repeat() -> None:
            due = time.monotonic() + self._every
            while not over.wait(max(0, due - time.monotonic())):
                due += self._every
                self.runs.append(self._run(platform, environment, directory / f"archive-{len(self.runs)}.log"))
                console.print(f"archive: {self.runs[-1]}")

        with ThreadPoolExecutor(1) as pool:
            repeating = pool.submit(repeat)
            try:
                yield
            finally:
                over.set()
            repeating.result()

    def _run(self, platform: Settings, environment: dict[str, str], log: Path) -> Run:
        before, began = self._lag(platform), time.monotonic()
        jars = ROOT / ".local" / "jars"
        job = SparkJob(ROOT, "archive.py", jars, environment, log, cores=1, niceness=19)
        with contextlib.closing(job):
            code = job.process.wait(timeout=7_200)
        seconds, said = time.monotonic() - began, log.read_text()
        commits = _ARCHIVED.findall(said)
        if code != 0 or not commits:
            raise subprocess.CalledProcessError(code, "archive.py", said[-3_000:])
        already = sum(self._reached.values())
        self._reached |= {int(partition): int(offset) for _, partition, offset in commits}
        records = sum(self._reached.values()) - already
        [made] = _MADE.findall(said)
        return {
            "records": records,
            "seconds": round(seconds, 1),
            "records_per_second": round(records / (_moment(commits[-1][0]) - _moment(made))),
            "lag_before": before,
            "lag_after": self._lag(platform),
        }

    def _lag(self, platform: Settings) -> int:
        return sum(topic_state(platform.kafka_bootstrap, platform.topic).end.values()) - sum(self._reached.values())


def _moment(logged: str) -> float:
    return datetime.strptime(logged, "%Y-%m-%d %H:%M:%S,%f").timestamp()


if __name__ == "__main__":
    main()
