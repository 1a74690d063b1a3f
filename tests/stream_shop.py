"""A platform whose topic is folded by the stream's own writer, slice by slice, when a test says so."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from confluent_kafka import Producer

import independent
from clickstream.settings import Settings
from clickstream.slice import Records
from clickstream.stream.topic import topic_state
from clickstream.warehouse import ledger
from clickstream.warehouse.apply import Rules, Slice
from clickstream.warehouse.writer import Writer
from local.spark import SparkJob

ROOT = Path(__file__).parents[1]
Start = Callable[..., SparkJob]
RULES = Rules(gap_ms=1_800_000, late_after_ms=300_000, future_tolerance_ms=300_000)
# What must equal a recompute; journey links may be left with no sessions.
TABLES = ("events", "sessions", "session_anomalies", "traffic_minute", "page_minute", "load_minute", "journey_links")


class Shop:
    """Producer, stream and reader of one platform."""

    def __init__(self, platform: Settings) -> None:
        self.platform = platform
        self.dsn = platform.postgres_writer.get_secret_value()
        self.applied = {0: 0, 1: 0}
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            state = topic_state(platform.kafka_bootstrap, platform.topic)
            ledger.starting_offsets(connection, ledger.TopicState(state.topic, state.topic_id, state.beginning,
                                                                  {0: 10**9, 1: 10**9}))  # fmt: skip
            self.writer = Writer(self.dsn, ledger.acquire(connection, "test"), RULES)

    def produce(self, values: Sequence[bytes | None], partition: int | None = None) -> None:
        """Into both partitions in turn, or into one."""
        producer = Producer({"bootstrap.servers": self.platform.kafka_bootstrap})
        for number, value in enumerate(values):
            place = number % 2 if partition is None else partition
            producer.produce(self.platform.topic, value, partition=place)
            if number % 10_000 == 0:
                producer.flush(30)
        assert producer.flush(30) == 0

    def stream(self, at_once: int = 700) -> None:
        """Fold what the topic has and the ledger has not."""
        raw = independent.consume(self.platform.kafka_bootstrap, self.platform.topic, self.applied)
        for partition in (0, 1):
            mine = [record for record in raw if record.partition == partition]
            for start in range(0, len(mine), at_once):
                piece = mine[start : start + at_once]
                self.writer.apply(Slice(self.platform.topic, partition, 2, _records(piece)))
                self.applied[partition] = piece[-1].offset + 1

    def rows(self, query: str, *bound: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with psycopg.connect(self.dsn, options="-c search_path=clickstream -c timezone=UTC") as connection:
            return connection.execute(query, bound).fetchall()

    def execute(self, statement: str, *bound: Any) -> int:
        """Change something behind everybody's back; how many rows."""
        with psycopg.connect(self.dsn, options="-c search_path=clickstream -c timezone=UTC") as connection:
            return connection.execute(statement, bound).rowcount

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that follows from accepted events."""
        found = {name: self.rows(f"select t::text from {name} as t order by 1") for name in TABLES[:-1]}
        found["journey_links"] = self.rows("select t::text from journey_links as t where sessions <> 0 order by 1")
        return found

    @contextmanager
    def held(self, statement: str) -> Iterator[None]:
        """Hold what a statement locks."""
        with psycopg.connect(self.dsn, options="-c search_path=clickstream") as connection:
            connection.execute(statement)
            yield

    @contextmanager
    def watched(self, query: str) -> Iterator[set[tuple[Any, ...]]]:
        """Every answer that a reader gets to a query of one row, asked all the time."""
        seen: set[tuple[Any, ...]] = set()
        over = threading.Event()

        def read() -> None:
            dsn = self.platform.postgres_reader.get_secret_value()
            with psycopg.connect(dsn, autocommit=True, options="-c search_path=clickstream") as connection:
                while not over.wait(0.02):
                    seen.update(connection.execute(query).fetchall())

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield seen
        finally:
            over.set()
            reader.join()

    def differences(self, day: date) -> dict[str, int]:
        """What the last backfill of a day found, where it found something."""
        [(found,)] = self.rows("select differences from backfill_runs where day = %s order by run desc limit 1", day)
        return {table: count for table, count in found.items() if count}


def _records(raw: list[independent.Raw]) -> Records:
    return Records(
        pa.array([record.value or None for record in raw], pa.binary()),
        np.array([record.offset for record in raw], dtype=np.int64),
        np.array([record.kafka_ms for record in raw], dtype=np.int64),
        np.zeros(len(raw), dtype=np.bool_),
    )


@pytest.fixture
def shop(platform: Settings) -> Iterator[Shop]:
    shop = Shop(platform)
    yield shop
    shop.writer.close()


@pytest.fixture
def start_job(platform: Settings, spark_jars: Path, tmp_path: Path) -> Iterator[Start]:
    """A function that submits a job of spark_jobs/ against the test's platform."""
    jobs: list[SparkJob] = []

    def start(job: str, *arguments: str, environment: Mapping[str, str] | None = None) -> SparkJob:
        assert platform.home == ROOT
        log = tmp_path / f"{job}-{len(jobs)}.log"
        jobs.append(SparkJob(ROOT, job, spark_jars, environment or {}, log, arguments))
        return jobs[-1]

    yield start
    for job in jobs:
        job.close()
        print(f"--- {job.log.name}\n{job.log.read_text()[-3_000:]}")
