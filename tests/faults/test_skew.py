"""A million events of one user, and a million users with one event each, through the real job at full size.

Run by `make test-faults`; the same shapes with fewer events are in tests/clickstream/warehouse/test_fold_size.py.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from confluent_kafka import Producer

import skew
from clickstream.settings import Settings
from local.spark import SparkJob
from waiting import wait_until

from .memory import PeakMemory

EVENTS = 1_000_000
CAP_MB = 2_500  # JVM, driver and Python workers together
DRAIN_SECONDS = 600
ROOT = Path(__file__).parents[2]
APPLIED = "select coalesce(sum(read), 0)::int from stream_slices"
TOTALS = "select sum(read)::int, sum(accepted)::int, sum(duplicate)::int, sum(rejected)::int from stream_slices"

Measure = Callable[[Iterable[tuple[bytes, bytes]]], None]


@pytest.fixture
def reader(platform: Settings) -> Iterator[psycopg.Connection]:
    """A connection that may only read."""
    dsn = platform.postgres_reader.get_secret_value()
    with psycopg.connect(dsn, autocommit=True, options="-c search_path=clickstream") as connection:
        yield connection


@pytest.fixture
def drain(
    platform: Settings,
    spark_jars: Path,
    tmp_path: Path,
    reader: psycopg.Connection,
    record_property: Callable[[str, Any], None],
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Measure]:
    """Produce records, run the job until its lag is gone and hold its memory against the cap."""
    jobs: list[SparkJob] = []

    def run(records: Iterable[tuple[bytes, bytes]]) -> None:
        produce(platform, records)
        began = time.monotonic()
        jobs.append(SparkJob(ROOT, "stream.py", spark_jars, {}, tmp_path / "stream.log"))
        [job] = jobs
        with PeakMemory(job) as memory:
            all_read = f"{EVENTS:,} records in the ledger"
            wait_until(lambda: reader.execute(APPLIED).fetchone() == (EVENTS,), all_read, DRAIN_SECONDS, job.running)
            seconds = time.monotonic() - began
            wait_until(lambda: lag(platform) == "0", "no lag on the live page", 60, job.running)
        figures = {"seconds": round(seconds, 1), "peak_mb": round(memory.peak_mb)}
        for name, value in figures.items():
            record_property(name, value)
        parts = ", ".join(f"{part} {size:.0f}" for part, size in sorted(memory.parts_mb.items()))
        with capsys.disabled():
            print(
                f" {EVENTS:,} events from submit in {seconds:.1f} s, at most {memory.peak_mb:.0f} MB ({parts})", end=" "
            )
        assert memory.peak_mb < CAP_MB
        assert job.stop() in (0, 143)  # a JVM that is asked by SIGTERM says 143 however cleanly it ends

    yield run
    for job in jobs:
        job.close()
        print(f"--- {job.log.name}\n{job.log.read_text()[-4_000:]}")


def produce(platform: Settings, records: Iterable[tuple[bytes, bytes]]) -> None:
    """All acknowledged when this returns, keyed by user."""
    producer = Producer(
        {
            "bootstrap.servers": platform.kafka_bootstrap,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 50,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 2_000_000,
            "queue.buffering.max.kbytes": 1_000_000,
        }
    )
    for key, value in records:
        producer.produce(platform.topic, value, key)
        producer.poll(0)
    assert producer.flush(120) == 0


def lag(platform: Settings) -> str | None:
    """Records that wait, as the live page says."""
    with redis.Redis.from_url(platform.redis_url.get_secret_value(), decode_responses=True) as live:
        return live.hget("live:performance", "lag_events")


def now_ms() -> int:
    return int(time.time()) * 1_000


@pytest.mark.full_size
@pytest.mark.timeout(900)
def test_one_user_with_a_million_events_is_one_quarantined_session(drain: Measure, reader: psycopg.Connection) -> None:
    last_ms = now_ms()
    drain(skew.one_user(EVENTS, last_ms))
    [session] = reader.execute(
        "select user_id, events, page_views, (extract(epoch from started_at) * 1000)::bigint,"
        " (extract(epoch from ended_at) * 1000)::bigint, quarantined, exit_page, path from sessions"
    ).fetchall()
    path = [skew.page(number) for number in range(100)]
    first_ms = last_ms - (EVENTS - 1) * 1_000
    assert session == ("only", EVENTS, EVENTS, first_ms, last_ms, True, skew.page(EVENTS - 1), path)
    assert reader.execute(TOTALS).fetchall() == [(EVENTS, EVENTS, 0, 0)]
    minutes = last_ms // 60_000 - first_ms // 60_000 + 1
    counts = "select sum(events)::int, count(*)::int from traffic_minute"
    assert reader.execute(counts).fetchall() == [(EVENTS, minutes)]


@pytest.mark.full_size
@pytest.mark.timeout(900)
def test_a_million_users_with_one_event_each_are_a_million_sessions(drain: Measure, reader: psycopg.Connection) -> None:
    drain(skew.many_users(EVENTS, now_ms(), 3_600_000))
    sessions = "select count(*)::int, count(distinct user_id)::int, sum(events)::int, max(events) from sessions"
    assert reader.execute(sessions).fetchall() == [(EVENTS, EVENTS, EVENTS, 1)]
    assert reader.execute("select count(*)::int from sessions where quarantined or engaged").fetchall() == [(0,)]
    assert reader.execute(TOTALS).fetchall() == [(EVENTS, EVENTS, 0, 0)]
    assert reader.execute("select sum(events)::int, sum(views)::int from traffic_minute"
                          " full join page_minute on false").fetchall() == [(EVENTS, EVENTS)]  # fmt: skip
