"""The backfill's platform: topic, archive and a stream that folds when a test says so."""

from collections.abc import Iterator

import pytest

from clickstream.settings import settings
from spark_delta import spark
from sql_warehouse import warehouse
from stream_shop import shop, start_job

__all__ = ["shop", "spark", "start_job", "warehouse"]


@pytest.fixture
def hash_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The key of the tombstones, where a test has no whole platform."""
    monkeypatch.setenv("CLICKSTREAM_USER_HASH_KEY", "key")
    settings.cache_clear()
    yield
    settings.cache_clear()
