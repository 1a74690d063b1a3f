"""How soon an event is visible: the stream under paced traffic, from Kafka's time to Redis.

    python benchmarks/latency.py [--rate 5200] [--seconds 300] [--own-servers]

After a minute of warm-up the driver's own percentiles of the last minute are read from Redis once a minute; the lag
is read each second. `commit_p99_ms` is of all records after the warm-up, from Kafka's time to the commit of their slice
(their times taken as evenly spread between its first and last). Beside a running platform its own streaming job rests.
Progress goes to stderr, JSON to stdout.
"""

import argparse
import contextlib
import json
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import redis
from bench_servers import bench
from measure import pss_mb
from rich.console import Console
from traffic import produce_paced

from clickstream.settings import Settings
from local.spark import SparkJob

ROOT = Path(__file__).parents[1]
WARM_UP_SECONDS = 60
PERCENTILES = ("p50", "p95", "p99")
# What goes on beside the paced traffic, given the platform, its environment and a directory.
Beside = Callable[[Settings, dict[str, str], Path], AbstractContextManager[Any]]
console = Console(stderr=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=5_200, help="records/s")
    parser.add_argument("--seconds", type=float, default=300, help="after a minute of warm-up")
    parser.add_argument("--own-servers", action="store_true", help="start servers for this run")
    given = parser.parse_args()
    print(json.dumps(paced(given.rate, given.seconds, given.own_servers), indent=2))


def paced(rate: float, seconds: float, own_servers: bool, beside: Beside | None = None) -> dict[str, Any]:
    """The figures of one paced run with a topic and a database of its own."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clickstream-bench-")))
        servers = stack.enter_context(bench(directory, own_servers))
        platform, environment = stack.enter_context(servers.platform("latency"))
        job = SparkJob(ROOT, "stream.py", ROOT / ".local" / "jars", environment, directory / "stream.log")
        try:
            with beside(platform, environment, directory) if beside else contextlib.nullcontext():
                return measured(platform, job, rate, seconds, directory)
        except BaseException:
            console.print(job.log.read_text(errors="replace")[-3_000:], markup=False)
            raise
        finally:
            job.stop()
            job.close()


def measured(platform: Settings, job: SparkJob, rate: float, seconds: float, spool: Path) -> dict[str, Any]:
    """The figures of one paced run; the worst minute's latencies count."""
    live = redis.Redis.from_url(platform.redis_url.get_secret_value(), decode_responses=True)
    while not live.exists("live:performance"):  # the job is there
        if not job.running():
            raise RuntimeError("the job ended at its start")
        time.sleep(0.2)
    sent: list[int] = []
    total = WARM_UP_SECONDS + seconds
    producing = threading.Thread(target=lambda: sent.append(produce_paced(platform, rate, total, spool)))
    began, warm_at = time.monotonic(), time.time() + WARM_UP_SECONDS
    producing.start()
    minutes, lags, peak = [], [], 0.0
    while producing.is_alive():
        time.sleep(1)
        passed, seen = time.monotonic() - began, live.hgetall("live:performance")
        if not job.running():
            raise RuntimeError("the job ended during the paced traffic")
        peak = max(peak, pss_mb(job.process.pid))
        if passed < WARM_UP_SECONDS:
            continue
        lags.append(int(seen["lag_events"]))
        if passed >= WARM_UP_SECONDS + min(60, seconds) * (len(minutes) + 1):
            minutes.append([int(seen[f"latency_{name}_ms"]) for name in PERCENTILES])
            console.print(f"minute {len(minutes)}: {minutes[-1]} ms, lag {lags[-1]:,}")
    half = len(lags) // 2
    worst = [max(column) for column in zip(*minutes, strict=True)]
    return {
        "paced_records_per_second": round(sent[0] / total),
        **{f"latency_{name}_ms": latency for name, latency in zip(PERCENTILES, worst, strict=True)},
        "commit_p99_ms": commit_p99_ms(platform, warm_at),
        "latency_p99_ms_each_minute": [minute[-1] for minute in minutes],
        "lag_events_mean_first_half": round(sum(lags[:half]) / half),
        "lag_events_mean_second_half": round(sum(lags[half:]) / (len(lags) - half)),
        "paced_job_peak_pss_mb": round(peak),
    }


def commit_p99_ms(platform: Settings, since: float) -> int:
    """Of the records in slices applied after `since` (Unix seconds)."""
    with psycopg.connect(platform.postgres_reader.get_secret_value()) as reader:
        slices = reader.execute(
            "select read, extract(epoch from applied_at - first_kafka_time)::float8,"
            " extract(epoch from applied_at - last_kafka_time)::float8"
            " from clickstream.stream_slices where applied_at > to_timestamp(%s)",
            [since],
        ).fetchall()
    waited = np.concatenate([np.linspace(first, last, read) for read, first, last in slices])
    return round(float(np.quantile(waited, 0.99)) * 1_000)


if __name__ == "__main__":
    main()
