"""How soon an event is visible: the stream under paced traffic, from Kafka's time to Redis.

    python benchmarks/latency.py [--rate 5200] [--seconds 300] [--own-servers]

After a minute of warm-up the driver's own percentiles of the last minute are read from Redis once a minute; the lag
is read each second. Beside a running platform its own streaming job rests. Progress goes to stderr, JSON to stdout.
"""

import argparse
import contextlib
import json
import tempfile
import threading
import time
from pathlib import Path

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
console = Console(stderr=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=5_200, help="records/s")
    parser.add_argument("--seconds", type=float, default=300, help="after a minute of warm-up")
    parser.add_argument("--own-servers", action="store_true", help="start servers for this run")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clickstream-bench-")))
        servers = stack.enter_context(bench(directory, given.own_servers))
        platform, environment = stack.enter_context(servers.platform("latency"))
        job = SparkJob(ROOT, "stream.py", ROOT / ".local" / "jars", environment, directory / "stream.log")
        try:
            figures = measured(platform, job, given.rate, given.seconds, directory)
        except BaseException:
            console.print(job.log.read_text(errors="replace")[-3_000:], markup=False)
            raise
        finally:
            job.stop()
            job.close()
    print(json.dumps(figures, indent=2))


def measured(
    platform: Settings, job: SparkJob, rate: float, seconds: float, spool: Path
) -> dict[str, float | int | list[int]]:
    """The figures of one paced run; the worst minute's latencies count."""
    live = redis.Redis.from_url(platform.redis_url.get_secret_value(), decode_responses=True)
    while not live.exists("live:performance"):  # the job is there
        if not job.running():
            raise RuntimeError("the job ended at its start")
        time.sleep(0.2)
    sent: list[int] = []
    total = WARM_UP_SECONDS + seconds
    producing = threading.Thread(target=lambda: sent.append(produce_paced(platform, rate, total, spool)))
    began = time.monotonic()
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
        "latency_p99_ms_each_minute": [minute[-1] for minute in minutes],
        "lag_events_mean_first_half": round(sum(lags[:half]) / half),
        "lag_events_mean_second_half": round(sum(lags[half:]) / (len(lags) - half)),
        "paced_job_peak_pss_mb": round(peak),
    }


if __name__ == "__main__":
    main()
