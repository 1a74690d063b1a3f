"""The streaming job as Airflow submits it: a spark-submit of its own, ended with the test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from clickstream.settings import Settings
from local.spark import SparkJob

ROOT = Path(__file__).parents[3]
Stream = Callable[[], SparkJob]


@pytest.fixture
def start_stream(platform: Settings, spark_jars: Path, tmp_path: Path) -> Iterator[Stream]:
    """A function that submits the streaming job against the test's own platform (by its environment)."""
    assert platform.home == ROOT
    jobs: list[SparkJob] = []

    def start() -> SparkJob:
        jobs.append(SparkJob(ROOT, "stream.py", spark_jars, {}, tmp_path / f"stream-{len(jobs)}.log"))
        return jobs[-1]

    yield start
    for job in jobs:
        job.close()
        print(f"--- {job.log.name}\n{job.log.read_text()[-4_000:]}")


@pytest.fixture
def reader(platform: Settings) -> Iterator[psycopg.Connection]:
    """A connection that may only read."""
    with psycopg.connect(
        platform.postgres_reader.get_secret_value(), autocommit=True, options="-c search_path=clickstream"
    ) as connection:
        yield connection
