"""The stream: how fast it catches up, and how soon an event is visible, beside a running platform.

    python benchmarks/stream.py [--events 1500000] [--rate 1000] [--seconds 60]

Uses the platform's own Kafka and PostgreSQL (synchronous_commit on), but a topic, a database and a Redis of its own,
which are removed at the end. The platform's own streaming job rests; everything else of it goes on meanwhile.

Catching up: the default traffic (5 % duplicates, 1 % malformed) is produced first, then the job drains it; the rate
is the sum over the partitions of the median rate of their slices, the first fifth of the records (warm-up) left out.
Latency: records are produced at a steady pace; Redis tells the percentiles of the last minute, from Kafka time to
visible in Redis.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg
import redis
from confluent_kafka.admin import AdminClient
from psycopg import sql

from clickstream.delivery import ProducerOptions, Sender, ensure_topic
from clickstream.generator import GeneratorOptions, generate
from clickstream.generator.ledger import Ledger
from clickstream.producer import produce_window
from clickstream.settings import Settings, settings
from clickstream.stopping import StopFlag
from clickstream.stream.topic import topic_state
from clickstream.warehouse.migrations import migrate
from local import layout as checkout
from local.passwords import ensure
from local.redis import Redis
from local.server import free_port, running
from local.servers import Servers
from local.spark import SparkJob

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_500_000)
    parser.add_argument("--rate", type=float, default=1_000, help="paced events/s for the latency")
    parser.add_argument("--seconds", type=float, default=60, help="of paced traffic, after 20 s of warm-up")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as directory,
        stream_rests(),
        bench_platform(directory) as (platform, environment),
    ):
        produced = produce_history(platform, given.events, Path(directory))
        job = SparkJob(ROOT, "stream.py", ROOT / ".local" / "jars", environment, Path(directory) / "stream.log")
        began = time.time()
        try:
            figures = drain(platform, produced["records"], job, began)
            figures |= latency(platform, given.rate, given.seconds, Path(directory), job)
        except BaseException:
            print(job.log.read_text()[-3_000:])
            raise
        finally:
            job.stop()
            job.close()
    print(json.dumps(produced | figures, indent=2))


@contextlib.contextmanager
def bench_platform(state_dir: str) -> Iterator[tuple[Settings, dict[str, str]]]:
    """Settings for a topic, a database and a Redis database of this benchmark, and the same as environment."""
    base = settings()
    name = f"clickstream_bench_{os.getpid()}"
    layout = checkout.load(ROOT)
    admin_dsn = Servers.of(layout, ensure(layout.secrets)).postgres.admin_dsn()
    changed = {role: f"{getattr(base, role).get_secret_value()} dbname={name}" for role in ROLES}
    live = Redis(Path(state_dir) / "redis", free_port(), "bench")
    changed["redis_url"] = live.url()
    changed["state_dir"] = state_dir
    changed["topic"] = f"bench.{os.getpid()}"
    environment = {f"CLICKSTREAM_{field.upper()}": value for field, value in changed.items()}
    os.environ.update(environment)
    platform = Settings()
    connection = {"bootstrap.servers": platform.kafka_bootstrap}
    kafka = AdminClient(connection)
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        owner = sql.Identifier("clickstream_owner")
        admin.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), owner))
    try:
        migrate(platform.postgres_owner.get_secret_value(), ROOT / "sql" / "schema")
        ensure_topic(connection, platform)
        with running(live, Path(state_dir) / "redis.log"):
            yield platform, environment
    finally:
        kafka.delete_topics([platform.topic])[platform.topic].result(30)
        with psycopg.connect(admin_dsn, autocommit=True) as admin:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


ROLES = ("postgres_owner", "postgres_writer", "postgres_reader")


def produce_history(platform: Settings, events: int, spool: Path) -> dict[str, float | int]:
    """Produce about so many records of yesterday; how many they were and how large."""
    options = GeneratorOptions(rate=5_000)
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = end - timedelta(seconds=events / options.rate)
    connection = {"bootstrap.servers": platform.kafka_bootstrap}
    began, cpu = time.perf_counter(), time.process_time()
    with Sender(connection, platform.topic, spool, ProducerOptions()) as sender:
        produce_window(sender, options, Ledger(options, start, end), StopFlag(), None)
        sender.flush(StopFlag())
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    state = topic_state(platform.kafka_bootstrap, platform.topic)
    records = sum(state.end.values())
    sample = next(iter(generate(options, start, start + timedelta(seconds=1))))
    return {
        "records": records,
        "bytes_per_record": round(statistics.mean(len(record.value) for record in sample)),
        "produced_per_second": round(records / seconds),
        "produced_per_cpu_second": round(records / cpu),
    }


def drain(platform: Settings, records: int, job: SparkJob, began: float) -> dict[str, float | int]:
    """Wait until the ledger has every record; rates from the audit rows."""
    dsn = platform.postgres_reader.get_secret_value()
    peak, before = 0.0, cpu_seconds(job.process.pid)
    with psycopg.connect(dsn, autocommit=True) as reader:
        done = 0
        while done < records:
            if not job.running():
                raise RuntimeError(f"the job ended after {done:,} of {records:,} records")
            time.sleep(1)
            peak = max(peak, pss_mb(job.process.pid))
            row = reader.execute("select coalesce(sum(read), 0) from clickstream.stream_slices").fetchone()
            done = int(row[0]) if row else 0
        slices = reader.execute(
            "select extract(epoch from applied_at)::float8, read, partition, duplicate, rejected"
            " from clickstream.stream_slices order by applied_at"
        ).fetchall()
    after = cpu_seconds(job.process.pid)
    rates, warm = slice_rates(slices, records)
    return {
        "first_commit_seconds": round(slices[0][0] - began, 1),
        "drained_per_second_median": round(sum(statistics.median(each) for each in rates.values())),
        "drained_per_second_mean": round(sum(read for _, read in warm[1:]) / (warm[-1][0] - warm[0][0])),
        "duplicates": sum(row[3] for row in slices),
        "rejected": sum(row[4] for row in slices),
        "job_peak_pss_mb": round(peak),
        "cpu_us_per_record": {part: round((after[part] - before[part]) / records * 1e6, 1) for part in after},
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
    if os.environ.get("CLICKSTREAM_BENCH_VERBOSE"):
        print({partition: [round(rate) for rate in each] for partition, each in rates.items()}, file=sys.stderr)
    return rates, warm


def cpu_seconds(job: int) -> dict[str, float]:
    """CPU seconds so far of the job's JVM and Python, of PostgreSQL and Kafka, and of the rest of the machine."""
    ours = {process.pid for process in psutil.Process(job).children(recursive=True)} | {job}
    spent = dict.fromkeys(("jvm", "python", "postgres", "kafka", "rest"), 0.0)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, IndexError):
            times, line = process.cpu_times(), process.cmdline()
            if process.pid in ours:
                part = "jvm" if "java" in line[0] else "python"
            elif "postgres" in line[0]:
                part = "postgres"
            else:
                part = "kafka" if "kafka.Kafka" in line else "rest"
            spent[part] += times.user + times.system
    return spent


@contextlib.contextmanager
def stream_rests() -> Iterator[None]:
    """The platform's own streaming job ends, and starts again afterwards: two jobs are not what is measured."""
    airflow = str(ROOT / ".local" / "bin" / "airflow")
    subprocess.run([airflow, "dags", "pause", "--yes", "clickstream_stream"], check=True, capture_output=True)
    try:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                mine = process.environ().get("AIRFLOW_CTX_DAG_ID") == "clickstream_stream"
                if mine and process.environ().get("AIRFLOW_HOME") == os.environ.get("AIRFLOW_HOME"):
                    process.kill()
        yield
    finally:
        subprocess.run([airflow, "dags", "unpause", "--yes", "clickstream_stream"], check=True, capture_output=True)


def pss_mb(pid: int) -> float:
    """The proportional set size of a process and all below it."""
    root = psutil.Process(pid)
    size = 0
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            size += process.memory_full_info().pss
    return size / 2**20


def latency(platform: Settings, rate: float, seconds: float, spool: Path, job: SparkJob) -> dict[str, float | int]:
    """Produce at a steady pace and read the driver's own percentiles from Redis each second."""
    options = GeneratorOptions(rate=rate)
    live = redis.Redis.from_url(platform.redis_url.get_secret_value(), decode_responses=True)
    start = datetime.now(UTC)
    end = start + timedelta(seconds=20 + seconds)
    connection = {"bootstrap.servers": platform.kafka_bootstrap}
    with Sender(connection, platform.topic, spool, ProducerOptions()) as sender:
        produce_window(sender, options, Ledger(options, start, end), StopFlag(), time.time)
        sender.flush(StopFlag())
        sent = sender.sent
    seen = live.hgetall("live:performance")
    if not job.running():
        raise RuntimeError("the job ended during the paced traffic")
    return {
        "paced_records_per_second": round(sent / (20 + seconds)),
        **{f"latency_{p}_ms": int(seen[f"latency_{p}_ms"]) for p in ("p50", "p95", "p99")},
        "lag_events": int(seen["lag_events"]),
        "batch_ms": int(seen["batch_ms"]),
    }


if __name__ == "__main__":
    main()
