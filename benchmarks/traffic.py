"""The traffic that is measured with: the generator's default mix, in one go or at a steady pace."""

import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clickstream.delivery import ProducerOptions, Sender
from clickstream.generator import GeneratorOptions, generate
from clickstream.generator.ledger import Ledger
from clickstream.generator.schedule import intensity
from clickstream.producer import produce_window
from clickstream.settings import Settings
from clickstream.stopping import StopFlag
from clickstream.stream.topic import topic_state


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


def produce_paced(platform: Settings, rate: float, seconds: float, spool: Path) -> int:
    """Produce so many records a second, whatever hour of the week it is, beginning now; how many were sent."""
    start = datetime.now(UTC)
    usual = GeneratorOptions(rate=rate, anomalies_per_day=0)
    middle = int((start.timestamp() + seconds / 2) // 60)
    options = usual.model_copy(update={"rate": rate / intensity(usual, middle)})
    connection = {"bootstrap.servers": platform.kafka_bootstrap}
    with Sender(connection, platform.topic, spool, ProducerOptions()) as sender:
        ledger = Ledger(options, start, start + timedelta(seconds=seconds))
        produce_window(sender, options, ledger, StopFlag(), time.time)
        sender.flush(StopFlag())
        return sender.sent
