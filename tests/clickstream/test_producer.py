"""Windows into a real broker: live and history, an unreachable broker, signals."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from clickstream.delivery import BACKFILL, KafkaUnavailable, ProducerOptions, Sender, ensure_topic
from clickstream.generator import GeneratorOptions, generate
from clickstream.partitioner import home_partitions
from clickstream.producer import DeliveryIncomplete, run_window
from clickstream.settings import Settings, settings
from clickstream.stopping import StopFlag
from kafka_topic import Stored, count, records
from local.server import free_port

START = datetime(2026, 11, 19, 9, 0, tzinfo=UTC)
END = START + timedelta(minutes=2)
OPTIONS = GeneratorOptions(rate=20, users=500)


def pairs(found: list[Stored]) -> list[tuple[Any, Any]]:
    return sorted((record.key, record.value) for record in found)


def expected() -> list[tuple[Any, Any]]:
    return sorted((record.key, record.value) for batch in generate(OPTIONS, START, END) for record in batch)


@pytest.fixture
def platform(kafka: str, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Only Kafka is needed here."""
    values = {"KAFKA_BOOTSTRAP": kafka, "TOPIC": topic, "STATE_DIR": str(tmp_path), "USER_HASH_KEY": "key"}
    for name, value in values.items():
        monkeypatch.setenv(f"CLICKSTREAM_{name}", value)
    settings.cache_clear()
    yield settings()
    settings.cache_clear()


def test_a_window_that_is_over_is_sent_whole_as_backfill(platform: Settings) -> None:
    report = run_window({"bootstrap.servers": platform.kafka_bootstrap}, START, END, options=OPTIONS)
    found = records(platform.kafka_bootstrap, platform.topic)
    assert (report.sent, report.acknowledged, report.spooled, report.resent) == (len(found), len(found), 0, 0)
    assert pairs(found) == expected()
    assert all(record.headers == BACKFILL for record in found)
    assert [record.partition for record in found] == home_partitions([r.key or b"" for r in found], 2).tolist()
    ledger = next((platform.state_dir / "generator" / "ledger").iterdir()).read_text().splitlines()
    assert json.loads(ledger[0])["records"] == len(found)


def test_a_window_that_is_now_keeps_the_pace_of_the_clock(platform: Settings) -> None:
    """A clock sixty times as fast as ours: two minutes take two seconds and not less."""
    begun = time.monotonic()
    report = run_window(
        {"bootstrap.servers": platform.kafka_bootstrap},
        START,
        END,
        options=OPTIONS,
        now=lambda: START.timestamp() + 60 * (time.monotonic() - begun),
    )
    last_ms = max(record.emit_ms for batch in generate(OPTIONS, START, END) for record in batch)
    assert time.monotonic() - begun >= (last_ms / 1_000 - START.timestamp()) / 60
    found = records(platform.kafka_bootstrap, platform.topic)
    assert report.acknowledged == len(found)
    assert pairs(found) == expected()
    assert {record.headers is None for record in found} == {True}


def test_what_kafka_does_not_take_is_spooled_and_sent_first_by_the_next_run(
    platform: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No loss and no doubles: two senders meet a dead port, then a window goes to the real broker."""
    monkeypatch.setenv("CLICKSTREAM_PRODUCER_DELIVERY_TIMEOUT_MS", "1000")
    spool, stop = platform.state_dir / "spool", StopFlag()
    dead = {"bootstrap.servers": f"127.0.0.1:{free_port()}"}
    lost = [(b"a", b"\xff\x00"), (b"b", b""), (None, b"no key")]
    for headers in (BACKFILL, None):
        with Sender(dead, platform.topic, spool, ProducerOptions()) as sender:
            sender.send(lost, headers)
            with pytest.raises(DeliveryIncomplete, match="the next run sends it first") as caught:
                sender.settle(stop)
        report = caught.value.report
        assert (report.sent, report.acknowledged, report.spooled) == (3, 0, 3)
    assert len(list((spool / platform.topic).glob("*.spool"))) == 2

    with Sender(dead, platform.topic, spool, ProducerOptions()) as sender:
        sender.send_spool(stop)  # still dead: all go to new files
        assert (sender.report().resent, sender.report().spooled) == (6, 6)
    monkeypatch.delenv("CLICKSTREAM_PRODUCER_DELIVERY_TIMEOUT_MS")

    report = run_window({"bootstrap.servers": platform.kafka_bootstrap}, START, END, options=OPTIONS)
    found = records(platform.kafka_bootstrap, platform.topic)
    resent = [record for record in found if (record.key, record.value) in lost]
    assert (report.resent, report.spooled, report.sent) == (6, 0, len(expected()))
    assert sorted((str(r.key), r.value) for r in resent) == sorted((str(k), v) for k, v in lost * 2)
    assert sum(record.headers == BACKFILL for record in resent) == 3
    assert sum(record.headers is None for record in resent) == 3
    assert len(found) == 6 + len(expected())
    assert list((spool / platform.topic).iterdir()) == []


def test_an_error_in_between_leaves_nothing_in_memory_only(platform: Settings) -> None:
    dead = {"bootstrap.servers": f"127.0.0.1:{free_port()}"}
    with pytest.raises(RuntimeError), Sender(dead, platform.topic, platform.state_dir, ProducerOptions()) as sender:
        sender.send([(b"a", b"1")])
        raise RuntimeError("generator broke")
    assert sender.spool.records == 1


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_compression_and_a_queue_that_is_too_short(platform: Settings, compression: Any) -> None:
    """The queue holds ten records: the sender waits instead of failing."""
    options = ProducerOptions(compression=compression, queue_messages=10, linger_ms=0)
    sent: list[tuple[bytes | None, bytes | None]] = [(b"%d" % n, b"v" * n) for n in range(1, 300)]
    with Sender({"bootstrap.servers": platform.kafka_bootstrap}, platform.topic, platform.state_dir, options) as sender:
        sender.send(sent)
        report = sender.settle(StopFlag())
    assert (report.sent, report.acknowledged) == (299, 299)
    assert pairs(records(platform.kafka_bootstrap, platform.topic)) == sorted(sent)


def test_the_topic_is_made_as_configured_and_an_existing_one_left(kafka: str) -> None:
    platform = Settings(kafka_bootstrap=kafka, topic=f"made.{free_port()}", topic_partitions=3, topic_retention_hours=5)
    connection = {"bootstrap.servers": kafka}
    ensure_topic(connection, platform)
    ensure_topic(connection, platform.model_copy(update={"topic_partitions": 9}))
    admin = AdminClient(connection)
    assert len(admin.list_topics(platform.topic, timeout=10).topics[platform.topic].partitions) == 3
    resource = ConfigResource(ConfigResource.Type.TOPIC, platform.topic)
    entries = admin.describe_configs([resource])[resource].result(10)
    assert entries["retention.ms"].value == str(5 * 3_600_000)
    admin.delete_topics([platform.topic])[platform.topic].result(30)


def test_no_broker_is_told_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clickstream.delivery._ADMIN_TIMEOUT_S", 1)
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(KafkaUnavailable, match=f"cannot create topic clickstream.events on {address}"):
        ensure_topic({"bootstrap.servers": address}, Settings())


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_flushes_and_ends_cleanly(platform: Settings, signum: int, code: int) -> None:
    """A year of history is interrupted; what was sent by then is acknowledged and nothing is spooled."""
    command = [
        sys.executable,
        "-c",
        "from clickstream.cli import app; app()",
        "generate",
        "--from",
        "2025-01-01",
        "--to",
        "2026-01-01",
    ]
    process = subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _until(lambda: count(platform.kafka_bootstrap, platform.topic) > 0 or process.poll() is not None)
    process.send_signal(signum)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code, told
    assert "stopped by a signal" in told
    sent = int(told.split("stopped by a signal: ")[1].split(" sent")[0].replace(",", ""))
    assert sent == count(platform.kafka_bootstrap, platform.topic) > 0
    assert not (platform.state_dir / "generator").exists()
    assert not list(platform.state_dir.rglob("*.spool"))


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
