"""Generator + encode + produce on one core, against a real broker.

    taskset -c 0 python benchmarks/produce.py [--bootstrap HOST:PORT] [--seconds 20] [--rate 5000]

Makes history of the default shop (all options but the rate as they are by default) into a topic of its own, which is
deleted at the end, until the time is over. Prints events/s by the clock, and by CPU time of this process (all its
threads): on a machine where the broker or others use the same core, only the second is this program's own.
"""

import argparse
import json
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from confluent_kafka.admin import AdminClient

from clickstream.delivery import ProducerOptions, Sender, ensure_topic
from clickstream.generator import GeneratorOptions
from clickstream.generator.ledger import Ledger
from clickstream.producer import produce_window
from clickstream.settings import Settings
from clickstream.stopping import StopFlag

START = datetime(2026, 11, 19, 9, 0, tzinfo=UTC)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--bootstrap", default=Settings().kafka_bootstrap)
    arguments.add_argument("--seconds", type=float, default=20)
    arguments.add_argument("--rate", type=float, default=5_000, help="of the simulated shop, records/s")
    given = arguments.parse_args()

    platform = Settings(kafka_bootstrap=given.bootstrap, topic=f"bench.produce.{os.getpid()}")
    connection = {"bootstrap.servers": given.bootstrap}
    ensure_topic(connection, platform)
    try:
        print(json.dumps(measure(platform, connection, GeneratorOptions(rate=given.rate), given.seconds)))
    finally:
        admin = AdminClient(connection)
        admin.delete_topics([platform.topic])[platform.topic].result(30)


def measure(
    platform: Settings, connection: dict[str, str], options: GeneratorOptions, seconds: float
) -> dict[str, float | int]:
    """Events/s of steady history. The first minute pays for tables and sessions under way; it is left out."""
    stop = StopFlag()
    warm = int((START + timedelta(minutes=1)).timestamp() * 1_000)
    begun = before = 0
    cpu = clock = 0.0
    with (
        tempfile.TemporaryDirectory() as spool,
        Sender(connection, platform.topic, Path(spool), ProducerOptions()) as sender,
    ):

        def progress(_: int, upto_ms: int) -> None:
            nonlocal begun, before, cpu, clock
            if not begun and upto_ms >= warm:
                begun, before, cpu, clock = upto_ms, sender.sent, time.process_time(), time.perf_counter()
            elif begun and time.perf_counter() - clock > seconds:
                stop.signum = 2

        produce_window(sender, options, Ledger(options, START, START + timedelta(days=1)), stop, None, progress)
        sender.flush(StopFlag())
        clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
        report = sender.report(queued=0)
    sent = report.sent - before
    return {
        "events": sent,
        "unacknowledged": report.sent - report.acknowledged,
        "seconds": round(clock, 2),
        "cpu_seconds": round(cpu, 2),
        "events_per_second": round(sent / clock),
        "events_per_cpu_second": round(sent / cpu),
        "cores": len(os.sched_getaffinity(0)),
    }


if __name__ == "__main__":
    main()
