"""The funnel's benchmark over a small shop: it compares all rows of PostgreSQL with DuckDB's."""

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import funnel
import pytest
from history import History

from clickstream.generator import GeneratorOptions
from clickstream.settings import settings

ROOT = Path(__file__).parents[2]


def test_postgres_and_duckdb_answer_alike(database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(ROOT))
    monkeypatch.setenv("CLICKSTREAM_POSTGRES_OWNER", database.owner)
    monkeypatch.setenv("CLICKSTREAM_POSTGRES_WRITER", database.writer)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    settings.cache_clear()
    end = datetime(2026, 1, 5, tzinfo=UTC)
    with contextlib.closing(History(settings())) as history:
        history.store(GeneratorOptions(rate=0.05, users=400), end - timedelta(days=3), end)
    figures = funnel.compare(settings(), end, tmp_path)
    assert figures["funnel_entries"] > 100
    assert figures["funnel_converted"] > 0
    settings.cache_clear()
