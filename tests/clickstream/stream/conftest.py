"""The streaming job as Airflow submits it: a spark-submit of its own, ended with the test."""

import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from clickstream.settings import Settings
from local import jars
from local.spark import SparkJob

ROOT = Path(__file__).parents[3]
Stream = Callable[[], SparkJob]


def wait_until(
    condition: Callable[[], Any], what: str, seconds: float = 180, alive: Callable[[], bool] | None = None
) -> Any:
    """Poll until the condition gives something true; fails naming what was waited for."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if result := condition():
            return result
        assert alive is None or alive(), f"the job ended while waiting for {what}"
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {what}")


@pytest.fixture(scope="session")
def spark_jars() -> Path:
    """Spark's Kafka source, fetched when it is not there yet."""
    into = ROOT / ".local" / "jars"
    jars.fetch(
        jars.SPARK, into, jars.ivy_jar(Path(sysconfig.get_path("purelib"))), ROOT / ".local" / "cache" / "ivy-spark"
    )
    return into


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
