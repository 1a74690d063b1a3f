"""A place to run the models' own SQL over a file of events: temporary tables laid before those of the platform.

The files of `sql/models/funnel_*` name tables without a schema, and a session's temporary tables come first. They
vanish with the connection however it ends; nothing of the platform is read but the columns of its tables, nothing is
written.
"""

import gzip
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psycopg
import pyarrow as pa
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping
from psycopg.rows import dict_row

from clickstream import sessions
from clickstream.funnels.compile import parameters
from clickstream.funnels.config import Funnel
from clickstream.settings import settings
from clickstream.slice import EVENTS_SCHEMA, Records, decode_slice
from clickstream.warehouse.frames import copy_frame, jsonb, statement, time_of
from clickstream.warehouse.session_table import session_table

MODELS = ("funnel_users", "funnel_steps", "funnel_times")
_HANDFUL = 20_000  # lines that are decoded at once
_RUN = {"run_id": "clickstream funnel run"}


@dataclass
class Loaded:
    """What became of a file's lines; `refused`: line number and reason, in order."""

    events: int = 0
    duplicates: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)


class Scratch:
    """Temporary tables on a connection, to be used by one thread and closed with it."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._cursor = psycopg.ClientCursor(connection)
        self._run("funnels/own_tables.sql")

    def load(self, file: Path) -> Loaded:
        """Store the events of JSON lines (plain or .gz) as the stream would: valid ones, each id once, with sessions.

        Raises OSError where the file cannot be read.
        """
        loaded, frames = Loaded(), [pl.DataFrame(schema=EVENTS_SCHEMA)]
        with _opened(file) as lines:
            first = 1
            while handful := list(islice(lines, _HANDFUL)):
                numbers = [n for n, line in enumerate(handful, first) if line.strip()]
                records = _records([handful[n - first] for n in numbers], numbers)
                decoded = decode_slice(records, settings().future_tolerance_seconds * 1_000)
                frames.append(decoded.events)
                loaded.refused += decoded.dead_letters.select("kafka_offset", "detail").rows()
                first += len(handful)
        read = pl.concat(frames)
        events = read.unique("event_id", keep="first", maintain_order=True)
        loaded.refused.sort()
        loaded.events, loaded.duplicates = len(events), len(read) - len(events)
        self._store(events)
        return loaded

    def build(self, name: str, funnel: Funnel) -> None:
        """Run the models of one funnel over the loaded events."""
        for model in MODELS:
            self._run(f"models/{model}/query.sql", _RUN | parameters(name, funnel))

    def over_all_days(self, name: str, funnel: Funnel) -> list[dict[str, Any]]:
        """The steps over all days, everybody once: rows of sql/funnels/range.sql."""
        every = {"first_day": date.min, "last_day": date.max}
        steps = [step.title for step in funnel.all_steps()]
        return self._rows(statement("funnels/range.sql"), {"funnel": name, "steps": steps, **every})

    def days(self, name: str) -> list[dict[str, Any]]:
        """Rows of funnel_steps."""
        query = "select * from pg_temp.funnel_steps where funnel = %(funnel)s order by day, breakdown, value, step"
        return self._rows(query, {"funnel": name})

    def users(self, name: str) -> list[dict[str, Any]]:
        """Rows of funnel_users."""
        query = "select * from pg_temp.funnel_users where funnel = %(funnel)s order by day, scope_id"
        return self._rows(query, {"funnel": name})

    def times(self, name: str) -> list[dict[str, Any]]:
        """The classes of funnel_times over all days; their borders as text."""
        return self._rows(statement("funnels/times.sql"), {"funnel": name})

    def _rows(self, query: str, bound: dict[str, Any]) -> list[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, bound).fetchall()

    def _store(self, events: pl.DataFrame) -> None:
        gap_ms = settings().session_gap_seconds * 1_000
        with self._connection.transaction(), self._connection.cursor() as cursor:
            copy_frame(
                cursor,
                "events",
                events.select(
                    "event_id", time_of("event_ms").alias("event_time"), "event_type", "user_id", "page_url",
                    "page_path", "referrer_medium", "device", "browser", "bot", jsonb("properties"),
                    time_of("kafka_ms").alias("kafka_time"),
                ),
                schema="pg_temp",
            )  # fmt: skip
            if len(events):
                merged = sessions.merge(sessions.fragments(events, gap_ms), gap_ms)
                copy_frame(cursor, "sessions", session_table(sessions.session_rows(merged)), schema="pg_temp")
        self._run("funnels/claim.sql", _RUN)

    def _run(self, path: str, bound: dict[str, Any] | None = None) -> None:
        with self._connection.transaction():
            self._cursor.execute(statement(path), bound)


def answers() -> bool:
    """Whether the platform's PostgreSQL is there; its password is not asked."""
    conninfo = make_conninfo(settings().postgres_writer.get_secret_value(), connect_timeout=5)
    return PGconn.ping(conninfo.encode()) == Ping.OK


@contextmanager
def scratch(own_server: bool) -> Iterator[Scratch]:
    """Temporary tables in the platform's PostgreSQL, or in a server that lives as long as they do.

    Raises psycopg.OperationalError where the platform's cannot be reached, local.server.NotReadyError where an own one
    does not start.
    """
    if own_server:
        with _own_server() as dsn, closing(psycopg.connect(dsn, autocommit=True)) as connection:
            yield Scratch(connection)
    else:
        dsn = settings().postgres_writer.get_secret_value()
        with closing(psycopg.connect(dsn, autocommit=True, connect_timeout=5)) as connection:
            yield Scratch(connection)


@contextmanager
def _own_server() -> Iterator[str]:
    from clickstream.warehouse.migrations import migrate
    from clickstream.warehouse.roles import OWNER, READER, WRITER, create_warehouse
    from local.postgres import Postgres
    from local.server import free_port, running

    words = {role: secrets.token_hex(16) for role in (OWNER, WRITER, READER)}
    with tempfile.TemporaryDirectory(prefix="clickstream-funnel-") as directory:
        Path(directory).chmod(0o755)  # the server may run as another account; its data directory stays 0700
        server = Postgres(Path(directory) / "data", free_port(), secrets.token_hex(16), shared_buffers="256MB")
        with running(server, Path(directory) / "postgres.log"):
            create_warehouse(server.admin_dsn(), words)
            migrate(server.dsn("clickstream", OWNER, words[OWNER]), settings().home / "sql" / "schema")
            yield server.dsn("clickstream", WRITER, words[WRITER])


@contextmanager
def _opened(file: Path) -> Iterator[Iterator[bytes]]:
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
        yield lines


def _records(values: list[bytes], numbers: list[int]) -> Records:
    """Lines as the stream would get them now; their numbers stand for offsets."""
    now_ms = time.time_ns() // 1_000_000
    count = len(values)
    return Records(
        pa.array(values, pa.binary()),
        np.array(numbers, dtype=np.int64),
        np.full(count, now_ms, dtype=np.int64),
        np.zeros(count, dtype=np.bool_),
    )
