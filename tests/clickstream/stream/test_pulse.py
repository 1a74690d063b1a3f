"""The driver's pulse on real servers: what a worker reports is live within a beat, as docs/live-metrics.md says."""

import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psycopg
import pyarrow as pa
import pytest
import redis
from confluent_kafka import Producer
from psycopg.rows import dict_row

from builders import encoded, event
from clickstream.settings import Settings
from clickstream.stream.pulse import Pulse, batch_stages
from clickstream.stream.topic import EndOffsets, topic_state
from clickstream.stream.worker import SliceReport, StreamContext, slice_worker
from clickstream.warehouse import ledger
from clickstream.warehouse.apply import Rules
from clickstream.warehouse.frames import statement
from waiting import wait_until

PAGE = Path(__file__).parents[3] / "docs" / "live-metrics.md"
ENDS = {0: 5, 1: 2}  # records in the topic's partitions; three of partition 0 are applied


def report(partition: int = 0, **stage_ms: float) -> SliceReport:
    return SliceReport(partition, next_offset=1, accepted=1, stage_ms=stage_ms, kafka_ms=[])


class Beating:
    """A pulse over a topic with ENDS, its epoch, and what it published."""

    def __init__(self, platform: Settings) -> None:
        self.dsn = platform.postgres_writer.get_secret_value()
        producer = Producer({"bootstrap.servers": platform.kafka_bootstrap})
        for partition, end in ENDS.items():
            for number in range(end):
                producer.produce(platform.topic, encoded(event(partition * 10 + number + 1)), partition=partition)
        assert producer.flush(30) == 0
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            self.epoch = ledger.acquire(connection, "test")
            applied = ledger.starting_offsets(connection, topic_state(platform.kafka_bootstrap, platform.topic))
        self.topic = platform.topic
        self.ended = threading.Event()
        self.ends = EndOffsets(platform.kafka_bootstrap, platform.topic, sorted(ENDS))
        url = platform.redis_url.get_secret_value()
        self.pulse = Pulse(self.dsn, url, self.epoch, self.ends, applied, self.ended.set)
        self.redis = redis.Redis.from_url(url, decode_responses=True)

    def slice(self, count: int) -> list[SliceReport]:
        """Apply the first records of partition 0 as Spark's worker does."""
        events = [event(number + 1, kind="page_view" if number else "purchase") for number in range(count)]
        batch = pa.RecordBatch.from_pydict(
            {
                "value": [*map(encoded, events[:-1]), b"no event"],
                "partition": pa.array([0] * count, pa.int32()),
                "offset": pa.array(range(count), pa.int64()),
                "timestamp": pa.array([1_780_315_200_000_000 + number for number in range(count)], pa.timestamp("us")),
                "history": [False] * count,
            }
        )
        apply = slice_worker(StreamContext(self.dsn, self.epoch, Rules(1_800_000, 300_000, 300_000), self.topic, 2))
        return [
            msgspec.msgpack.decode(row, type=SliceReport)
            for answer in apply(iter([batch]))
            for row in answer["report"].to_pylist()
        ]


@pytest.fixture
def beating(platform: Settings) -> Iterator[Beating]:
    beating = Beating(platform)
    beating.pulse.start()
    yield beating
    beating.pulse.stop()
    beating.ends.close()


def documented() -> dict[str, tuple[str, set[str]]]:
    """Key → type and fields, as the page has them."""
    keys = {}
    for section in PAGE.read_text().split("\n## ")[1:]:
        heading = re.match(r"`(live:\w+)` · (.+)\n", section)
        assert heading, section.splitlines()[0]
        keys[heading[1]] = (heading[2], set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)))
    return keys


def published(client: redis.Redis, anomaly: set[str]) -> dict[str, tuple[str, set[str]]]:
    """The same of what Redis holds. A hash by partition or minute has the fields of its JSON values, if any."""
    keys = {}
    for key in client.scan_iter():
        kind = {"zset": "sorted set"}.get(client.type(key), client.type(key))
        fields: set[str] = set()
        if kind == "hash":
            values = client.hgetall(key)
            fields = set(values)
            if key in ("live:lag", "live:series"):
                read = [json.loads(value) for value in values.values()]
                fields = {name for value in read if isinstance(value, dict) for name in value}
        keys[key] = (kind, anomaly if key == "live:anomalies" else fields)
    return keys


@pytest.mark.timeout(120)
def test_what_a_worker_reports_is_live_and_every_key_is_documented(beating: Beating) -> None:
    live = beating.redis
    wait_until(lambda: live.hget("live:performance", "lag_events") == "7", "the first beat", 30)
    assert live.hgetall("live:lag") == {"0": "5", "1": "2"}
    assert set(live.hgetall("live:stages")) == {"publish"}
    reports = beating.slice(3)
    assert [(report.partition, report.next_offset, report.accepted) for report in reports] == [(0, 3, 2)]
    assert sum(records for _, records in reports[0].kafka_ms) == 3
    beating.pulse.batch_done(reports, 60_000.0)
    wait_until(lambda: live.hgetall("live:lag") == {"0": "2", "1": "2"}, "the lag after the batch", 30)
    wait_until(lambda: live.hget("live:performance", "events_per_second") == "0.3", "the batch's rate", 30)
    performance = live.hgetall("live:performance")
    assert (performance["stored_per_second"], performance["batch_ms"]) == ("0.2", "60000")
    assert float(performance["latency_p50_ms"]) > 0
    stages = {stage: float(ms) for stage, ms in live.hgetall("live:stages").items()}
    assert sum(ms for stage, ms in stages.items() if stage != "publish") == pytest.approx(60_000, abs=1)

    # Something on every key: history shows nowhere, so a page of now.
    with psycopg.connect(beating.dsn, row_factory=dict_row) as connection:
        connection.execute(
            "insert into clickstream.page_minute (minute, page_path, is_bot, page_group, views)"
            " values (date_trunc('minute', now()), '/', false, 'Home', 1)"
        )
        anomalies = connection.execute(statement("live/anomalies.sql"), {"now": datetime.now(UTC)}).description or []
    wait_until(lambda: live.zscore("live:pages", "/") == 1, "the page", 30)
    assert published(live, {column.name for column in anomalies}) == documented()


@pytest.mark.timeout(120)
def test_a_lost_lease_ends_it(beating: Beating) -> None:
    wait_until(lambda: beating.redis.get("live:epoch") == "1", "the first beat", 30)
    with psycopg.connect(beating.dsn, autocommit=True) as connection:
        ledger.acquire(connection, "another")
    assert beating.ended.wait(30)
    beating.pulse.join(30)
    assert beating.pulse.lost == "epoch 1 no longer holds the lease: a newer driver took over"


def test_a_batchs_time_is_its_slowest_partitions_and_sparks() -> None:
    reports = [report(0, decode=10, store=30), report(1, decode=15, store=20), report(1, decode=5, store=5)]
    assert batch_stages(reports, 100) == {"decode": 20, "store": 25, "spark": 55}
    assert batch_stages([], 100) == {"spark": 100}
    assert batch_stages(reports[:1], 39)["spark"] == 0
