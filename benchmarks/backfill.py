"""A day of events from Kafka into the archive, and from the archive to its swap.

    python benchmarks/backfill.py [--events 2000000] [--own-servers]

Makes yesterday of a shop with so many events, lets the stream fold it, archives it, backfills it (which must find no
difference), and prints events/s of both jobs: of their work, and with the start of Spark.
"""

import argparse
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from bench_servers import ROOT, NoPlatformError, bench

from clickstream.delivery import ProducerOptions, Sender
from clickstream.generator import GeneratorOptions
from clickstream.generator.ledger import Ledger
from clickstream.producer import produce_window
from clickstream.settings import Settings
from clickstream.stopping import StopFlag
from local.spark import SparkJob

JARS = ROOT / ".local" / "jars"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--own-servers", action="store_true", help="PostgreSQL and Kafka for this run alone")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clickstream-bench-") as temporary:
        try:
            with bench(Path(temporary), given.own_servers) as servers, servers.platform("backfill") as (platform, env):
                print(json.dumps(measure(platform, env, given.events, Path(temporary)), indent=2))
        except (NoPlatformError, subprocess.CalledProcessError) as error:
            print(error, file=sys.stderr)
            return 1
    return 0


def measure(platform: Settings, environment: dict[str, str], events: int, directory: Path) -> dict[str, Any]:
    """The figures; raises AssertionError when the day is not as the stream wrote it."""
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = end - timedelta(days=1)
    options = GeneratorOptions(rate=events / 86_400)
    with Sender(
        {"bootstrap.servers": platform.kafka_bootstrap}, platform.topic, directory, ProducerOptions()
    ) as sender:
        produce_window(sender, options, Ledger(options, start, end), StopFlag(), None)
        sender.flush(StopFlag())
        records = sender.sent
    stream = SparkJob(ROOT, "stream.py", JARS, environment, directory / "stream.log")
    with (
        contextlib.closing(stream),
        psycopg.connect(platform.postgres_reader.get_secret_value(), autocommit=True) as reader,
    ):
        while reader.execute("select coalesce(sum(read), 0) from clickstream.stream_slices").fetchone() != (records,):
            assert stream.running(), (directory / "stream.log").read_text()[-3_000:]
            time.sleep(1)
        stream.stop()
        day = str(start.date())
        archived, _ = run("archive.py", environment, directory)
        seconds, said = run("backfill.py", environment, directory, "--day", day)
        [(stored, differences)] = reader.execute("select events, differences from clickstream.backfill_runs").fetchall()
    assert not any(differences.values()), differences
    swapped, recomputed, waited = (
        float(re.search(pattern, said)[1])  # type: ignore[index]
        for pattern in (r"swapped after ([\d.]+) s", r"recomputed \d+ events in ([\d.]+) s", r"waited for ([\d.]+) s")
    )
    return {
        "records": records,
        "events_of_the_day": stored,
        "archive_job_seconds": round(archived, 1),
        "archived_per_second": round(records / archived),
        "backfill_job_seconds": round(seconds, 1),
        "archive_to_swap_seconds": swapped,
        "recompute_seconds": recomputed,
        "stream_waited_seconds": waited,
        "backfilled_per_second": round(stored / swapped),
    }


def run(name: str, environment: dict[str, str], directory: Path, *arguments: str) -> tuple[float, str]:
    """A job to its end: seconds from its start, and its log."""
    began = time.monotonic()
    log = directory / f"{name}.log"
    job = SparkJob(ROOT, name, JARS, environment, log, arguments)
    with contextlib.closing(job):
        code = job.process.wait(timeout=3_600)
    if code != 0:
        raise subprocess.CalledProcessError(code, name, log.read_text()[-3_000:])
    return time.monotonic() - began, log.read_text()


if __name__ == "__main__":
    raise SystemExit(main())
