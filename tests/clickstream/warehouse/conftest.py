"""A warehouse with a topic in its ledger and a writer that holds the lease."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from clickstream.settings import settings
from clickstream.warehouse import ledger
from clickstream.warehouse.apply import Rules
from clickstream.warehouse.writer import Writer

ROOT = Path(__file__).parents[3]
TOPIC = "events"
RULES = Rules(gap_ms=1_800_000, late_after_ms=300_000, future_tolerance_ms=300_000)


@pytest.fixture
def connection(database: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(ROOT))
    settings.cache_clear()
    with psycopg.connect(database.writer, autocommit=True, options="-c search_path=clickstream") as connection:
        ledger.starting_offsets(connection, ledger.TopicState(TOPIC, "id-1", {0: 0, 1: 0}, {0: 0, 1: 0}))
        yield connection
    settings.cache_clear()


@pytest.fixture
def writer(database: Any, connection: psycopg.Connection) -> Iterator[Writer]:
    writer = Writer(database.writer, ledger.acquire(connection, "test"), RULES, patience_seconds=30)
    yield writer
    writer.close()
