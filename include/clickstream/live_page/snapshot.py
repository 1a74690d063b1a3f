"""What the live page shows, read from Redis and PostgreSQL; a part that is away says so, the others go on."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import redis
from psycopg.rows import dict_row

from clickstream.settings import Settings
from clickstream.warehouse.frames import statement

log = logging.getLogger(__name__)
Part = dict[str, Any]

_HASHES = ("active_users", "conversion", "performance", "lag", "stages", "series")
_TIMEOUT_SECONDS = 3


class Snapshots:
    """Reads the platform's state; connections are kept. `further` are parts that others add: name → what reads it.

    Not for several threads at once.
    """

    def __init__(self, settings: Settings, further: dict[str, Callable[[], Any]]) -> None:
        self._settings = settings
        self._further = further
        self._redis = redis.Redis.from_url(
            settings.redis_url.get_secret_value(),
            decode_responses=True,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
        )
        self._connection: psycopg.Connection | None = None

    def read(self) -> Part:
        """Every part with either its figures or ``error``: one line for people."""
        parts = {"live": self._live, "warehouse": self._warehouse, **self._further}
        taken = {name: _or_error(name, read) for name, read in parts.items()}
        return {"at": datetime.now(UTC), "superset_url": self._settings.superset_url, **taken}

    def _live(self) -> Part:
        with self._redis.pipeline(transaction=True) as pipeline:
            for name in _HASHES:
                pipeline.hgetall(f"live:{name}")
            pipeline.get("live:anomalies")
            pipeline.get("live:as_of")
            *hashes, anomalies, as_of = pipeline.execute()
        found = dict(zip(_HASHES, hashes, strict=True))
        series = [{"minute": minute} | json.loads(figures) for minute, figures in sorted(found.pop("series").items())]
        return {**found, "series": series, "anomalies": json.loads(anomalies or "[]")[:10], "as_of": as_of}

    def _warehouse(self) -> Part:
        try:
            connection = self._connected()
            rows = {
                name: connection.execute(statement(f"live_page/{name}.sql")).fetchall()
                for name in ("slices", "reconciliation", "state")
            }
        except psycopg.Error:
            if self._connection is not None:
                self._connection.close()
            raise
        return {**rows, "state": rows["state"][0] if rows["state"] else None}

    def _connected(self) -> psycopg.Connection[dict[str, Any]]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._settings.postgres_reader.get_secret_value(),
                autocommit=True,
                connect_timeout=_TIMEOUT_SECONDS,
                options=f"-c statement_timeout={_TIMEOUT_SECONDS}s -c default_transaction_read_only=on",
                row_factory=dict_row,  # type: ignore[arg-type]
            )
        return self._connection  # type: ignore[return-value]


def _or_error(name: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as trouble:  # whatever is wrong with a part, the page shows the others
        log.warning("live page: %s: %s", name, trouble)
        # The first line only: psycopg adds addresses and hints that are of no use on a page.
        return {"error": f"{type(trouble).__name__}: {str(trouble).partition(chr(10))[0][:200]}"}
