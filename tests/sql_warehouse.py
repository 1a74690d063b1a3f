"""A warehouse for tests of the SQL models: events by hand, and the models run as clickstream_models runs them."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid5

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from airflow.providers.common.sql.hooks.sql import DbApiHook

from clickstream.funnels.compile import parameters
from clickstream.funnels.config import load_funnels
from clickstream.settings import settings
from clickstream.slice import Records
from clickstream.warehouse import ledger
from clickstream.warehouse.apply import Rules, Slice
from clickstream.warehouse.writer import Writer

NAMESPACE = UUID("b1946ac9-0000-4000-8000-000000000000")
STEPS = {"v": "view_item", "c": "add_to_cart", "b": "begin_checkout", "p": "purchase", "pv": "page_view"}
NO_INTERVAL = datetime(2026, 1, 31, tzinfo=UTC)
TOPIC = "t"
ROOT = Path(__file__).parents[1]
MODELS_FOLDER = ROOT / "sql" / "models"
RULES = Rules(gap_ms=1_800_000, late_after_ms=300_000, future_tolerance_ms=300_000)
_FIREFOX = "Mozilla/5.0 ({}; rv:140.0) Gecko/140.0 Firefox/140.0"
AGENTS = {
    "desktop": _FIREFOX.format("X11; Linux x86_64"),
    "mobile": _FIREFOX.format("Android 15; Mobile"),
    "tablet": _FIREFOX.format("Android 15; Tablet"),
}
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
HOURS = ("traffic_hourly", "visits", "pages", "page_loads_hourly", "products_hourly", "late_hourly", "journey_flows")
DAYS = (
    "traffic_daily", "acquisition_daily", "pages_daily", "paths_daily", "products_daily", "session_sizes_daily",
    "bots_daily",
)  # fmt: skip
WEEKS = ("user_weeks", "retention_weekly")
FUNNEL = ("funnel_users", "funnel_steps", "funnel_times")
MODELS = (*HOURS, *DAYS, *WEEKS, *FUNNEL, "reconciliation")


@dataclass(frozen=True)
class Event:
    """One event; `parse` reads 'user type DD HH:MM:SS [device [bot]] [key=value …]' of January 2026 (or MM-DD).

    The keys are page, referrer, late (seconds from the event to Kafka) and those of properties.
    """

    user: str
    type: str
    time: datetime
    device: str = "desktop"
    bot: str | None = None
    page: str = "/"
    referrer: str | None = None
    late: float = 0
    properties: dict[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def parse(cls, text: str) -> "Event":
        user, kind, day, clock, *rest = text.split()
        words = dict(word.split("=", 1) for word in rest if "=" in word)
        known = {name: words.pop(name) for name in ("page", "referrer") if name in words}
        late = float(words.pop("late", 0))
        properties = {name: _value(value) for name, value in words.items()}
        plain = [word for word in rest if "=" not in word]
        return cls(user, STEPS.get(kind, kind), moment(day, clock), *plain, **known, late=late, properties=properties)

    def value(self) -> bytes:
        """The Kafka record; its id is made from the content."""
        document = {
            "event_id": str(uuid5(NAMESPACE, repr(self))),
            "event_type": self.type,
            "event_time": self.time.isoformat(timespec="milliseconds"),
            "user_id": self.user,
            "page_url": f"https://shop.test{self.page}",
            "referrer": self.referrer,
            "user_agent": BOT if self.bot else AGENTS[self.device],
            "properties": self.properties,
        }
        return json.dumps(document).encode()


def moment(day: str, clock: str) -> datetime:
    """The UTC time of a day of January 2026 (DD), or of 2026 (MM-DD)."""
    return datetime.fromisoformat(f"2026-{day if '-' in day else f'01-{day}'}T{clock}+00:00")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@cache
def _statements(path: str) -> list[str]:
    """The statements of a file of sql/models, split as the operator does (which takes a while)."""
    return DbApiHook.split_sql_string((MODELS_FOLDER / path).read_text(), strip_semicolon=True)


class Warehouse:
    """A database that the stream's fold writes, and the files of sql/models run on it."""

    def __init__(self, dsn: str, writer: Writer) -> None:
        self.dsn = dsn
        self.parameters = parameters("purchase", load_funnels()["purchase"])
        self.declared = {"purchase": self.parameters}
        self._writer = writer
        self._next_offset = 0

    def store(self, events: Iterable[Event]) -> None:
        """Apply the events as one slice of the stream, in the order that they are given."""
        given = list(events)
        refused = sum(event.late * 1_000 < -RULES.future_tolerance_ms for event in given)
        times = [event.time + timedelta(seconds=event.late) for event in given]
        self.apply([event.value() for event in given], times, refused)

    def apply(self, values: list[bytes], kafka_times: list[datetime], rejected: int = 0) -> None:
        """Apply record values as one slice of the stream, of which so many must be rejected."""
        if not values:
            return
        first, self._next_offset = self._next_offset, self._next_offset + len(values)
        records = Records(
            pa.array(values, pa.binary()),
            np.arange(first, self._next_offset, dtype=np.int64),
            np.array([round(time.timestamp() * 1_000) for time in kafka_times], dtype=np.int64),
            np.zeros(len(values), dtype=np.bool_),
        )
        applied = self._writer.apply(Slice(TOPIC, 0, 1, records))
        assert applied is not None
        assert applied.rejected == rejected

    def run(
        self,
        path: str,
        run_id: str = "run",
        start: datetime = NO_INTERVAL,
        end: datetime = NO_INTERVAL,
        within: psycopg.Connection | None = None,
    ) -> Any:
        """Run a file of sql/models as SQLExecuteQueryOperator does (or `within` a transaction); its last rows."""
        bound = {
            **self.parameters,
            "funnels": json.dumps(self.declared),
            "run_id": run_id,
            "interval_start": start,
            "interval_end": end,
        }
        with nullcontext(within) if within else psycopg.connect(self.dsn) as connection:
            for statement in _statements(path):
                cursor = connection.execute(statement, bound)
            return cursor.fetchall() if cursor.description else []

    def explain(self, path: str, beginning: str, connection: psycopg.Connection) -> list[str]:
        """The plan of a file's statement that has a line like `beginning`, as it runs after those before it."""
        bound = {**self.parameters, "run_id": "run", "interval_start": NO_INTERVAL, "interval_end": NO_INTERVAL}
        for statement in _statements(path):
            if f"\n{beginning}" in f"\n{statement}":
                return [line for (line,) in connection.execute(f"explain (analyze, timing off) {statement}", bound)]
            connection.execute(statement, bound)
        raise AssertionError(f"{path} has no statement {beginning}")

    def build(self, run_id: str = "run", start: datetime = NO_INTERVAL, end: datetime = NO_INTERVAL) -> None:
        """A whole run of clickstream_models; raises AssertionError where its gate would stop it."""
        for path in ("scope/funnels.sql", "scope/claim.sql", *(f"{name}/query.sql" for name in MODELS)):
            self.run(path, run_id, start, end)
        for name in MODELS:
            self.run(f"{name}/checks.sql", run_id, start, end)
        [(passed, summary)] = self.run("scope/gate.sql", run_id, start, end)
        assert passed, summary
        self.run("scope/release.sql", run_id, start, end)

    def execute(self, *statements: str) -> None:
        """Change the database in one transaction."""
        with psycopg.connect(self.dsn) as connection:
            for statement in statements:
                connection.execute(statement)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query).fetchall()

    def funnel_users(self) -> list[tuple[Any, ...]]:
        """All of funnel_users in order."""
        return self.rows("select * from clickstream.funnel_users order by day, scope_id")

    def funnel_steps(self) -> list[tuple[Any, ...]]:
        """All of funnel_steps in order."""
        return self.rows("select * from clickstream.funnel_steps order by day, breakdown, value, step")


class _Database(Protocol):
    writer: str


@contextmanager
def opened(dsn: str) -> Iterator[Warehouse]:
    """A migrated database, written with the rights of the DSN, under a new lease epoch."""
    with psycopg.connect(dsn) as connection:
        ledger.starting_offsets(connection, ledger.TopicState(TOPIC, "id", {0: 0}, {0: 0}))
        epoch = ledger.acquire(connection, "test")
    writer = Writer(dsn, epoch, RULES, patience_seconds=30)
    yield Warehouse(dsn, writer)
    writer.close()


@pytest.fixture
def warehouse(database: _Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """A fresh migrated database, written with the rights of clickstream_writer."""
    monkeypatch.setenv("CLICKSTREAM_HOME", str(ROOT))
    settings.cache_clear()
    with opened(database.writer) as found:
        yield found
    settings.cache_clear()
