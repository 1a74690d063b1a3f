"""The fixture of the SQL models' tests."""

from pathlib import Path
from typing import Protocol

import pytest

from clickstream.settings import settings
from sql_warehouse import Warehouse


class _Database(Protocol):
    writer: str


@pytest.fixture
def warehouse(database: _Database, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A fresh migrated database, written with the rights of clickstream_writer."""
    monkeypatch.setenv("CLICKSTREAM_HOME", str(Path(__file__).parents[2]))
    settings.cache_clear()
    return Warehouse(database.writer)
