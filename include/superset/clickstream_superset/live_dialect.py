"""``clickstreamlive://``: an SQLAlchemy dialect that shows the live metrics in Redis as tables.

SQLite, through shillelagh, runs the SQL; the one adapter reads a key when its table is used. The address of Redis is
``CLICKSTREAM_REDIS_URL`` in the environment, so no password is stored with the database in Superset.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

import apsw
import redis
from shillelagh.adapters.base import Adapter
from shillelagh.backends.apsw.dialects.base import APSWDialect
from shillelagh.exceptions import OperationalError, ProgrammingError
from shillelagh.fields import Boolean, DateTime, Field, Float, String
from shillelagh.filters import Filter
from shillelagh.typing import RequestedOrder
from sqlalchemy.engine.url import URL

from clickstream_superset.live_tables import AS_OF_KEY, TABLES, Kind, LiveTable, rows_of

REDIS_URL_VARIABLE = "CLICKSTREAM_REDIS_URL"
TIMEOUT_SECONDS = 2
# Shillelagh hands integers to SQLite as text, where MAX and ORDER BY compare them letter by letter: counts are REAL.
_FIELDS: dict[type, type[Field]] = {int: Float, float: Float, str: String, datetime: DateTime, bool: Boolean}


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, decode_responses=True, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    )


def _fetch(table: LiveTable) -> tuple[Any, str | None]:
    """The value of a table's key and when it was published, read at one moment."""
    url = os.environ.get(REDIS_URL_VARIABLE)
    if not url:
        raise OperationalError(f"{REDIS_URL_VARIABLE} is not set where Superset runs: it has to hold Redis' address")
    pipeline = _client(url).pipeline(transaction=True)
    if table.kind is Kind.HASH:
        pipeline.hgetall(table.key)
    elif table.kind is Kind.SORTED_SET:
        pipeline.zrevrange(table.key, 0, -1, withscores=True)
    else:
        pipeline.get(table.key)
    pipeline.get(AS_OF_KEY)
    try:
        value, as_of = pipeline.execute()
    except redis.ConnectionError as error:
        raise OperationalError(f"Redis, which holds the live metrics, cannot be reached: {error}") from error
    except redis.RedisError as error:
        raise OperationalError(f"Redis refused to read {table.key}: {error}") from error
    return value, as_of


class LiveMetrics(Adapter):
    """The adapter: a table's name is its address. Filters, order and limits are left to SQLite (at most 60 rows)."""

    safe = True  # reads no file and no address that a query names

    @staticmethod
    def supports(uri: str, fast: bool = True, **kwargs: Any) -> bool:  # noqa: ARG004
        return uri in TABLES

    @staticmethod
    def parse_uri(uri: str) -> tuple[str]:
        return (uri,)

    def __init__(self, uri: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table = TABLES[uri]

    def get_columns(self) -> dict[str, Field]:
        return {name: _FIELDS[type_]() for name, type_ in {**self.table.columns, "as_of": datetime}.items()}

    def get_data(
        self,
        bounds: dict[str, Filter],  # noqa: ARG002
        order: list[tuple[str, RequestedOrder]],  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> Iterator[dict[str, Any]]:
        value, as_of = _fetch(self.table)
        try:
            for number, row in enumerate(rows_of(self.table, value, as_of)):
                yield {**row, "rowid": number}
        except (KeyError, TypeError, ValueError) as error:
            raise ProgrammingError(f"{self.table.key} does not hold what docs/live-metrics.md says: {error}") from error


class LiveDialect(APSWDialect):
    """SQLite in memory with the live tables and nothing else."""

    name = "clickstreamlive"
    supports_statement_cache = True

    def create_connect_args(self, url: URL) -> tuple[tuple[()], dict[str, Any]]:  # noqa: ARG002
        return (), {
            "path": ":memory:",
            "adapters": ["clickstreamlive"],
            "safe": True,
            "isolation_level": self.isolation_level,
        }

    def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = super().connect(*args, **kwargs)
        # Without attached databases SQL can neither read nor write a file (ATTACH, VACUUM INTO).
        connection._connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
        return connection

    def do_ping(self, dbapi_connection: Any) -> bool:  # noqa: ARG002
        """Whether Redis answers; raises the database error that says why not."""
        _fetch(TABLES["live_active_users"])
        return True

    def has_table(self, connection: Any, table_name: str, schema: str | None = None, **kwargs: Any) -> bool:  # noqa: ARG002
        return table_name in TABLES

    def get_table_names(self, connection: Any, schema: str | None = None, **kwargs: Any) -> list[str]:  # noqa: ARG002
        return list(TABLES)

    def get_view_names(self, connection: Any, schema: str | None = None, **kwargs: Any) -> list[str]:  # noqa: ARG002
        return []
