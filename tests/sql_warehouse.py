"""A warehouse for tests of the SQL models: events by hand, and the models run as clickstream_models runs them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid5

import psycopg
import pytest
from airflow.providers.common.sql.hooks.sql import DbApiHook

from clickstream.models import funnel_parameters, load_funnels
from clickstream.settings import settings

NAMESPACE = UUID("b1946ac9-0000-4000-8000-000000000000")
STEPS = {"v": "view_item", "c": "add_to_cart", "b": "begin_checkout", "p": "purchase"}
NO_INTERVAL = datetime(2026, 1, 31, tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    """One stored event; `parse` reads 'user type DD HH:MM:SS [device [bot]]' of January 2026."""

    user: str
    type: str
    time: datetime
    device: str = "desktop"
    bot: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Event":
        user, kind, day, clock, *rest = text.split()
        return cls(user, STEPS.get(kind, kind), moment(day, clock), *rest)


def moment(day: str, clock: str) -> datetime:
    """The UTC time of a day of January 2026."""
    return datetime.fromisoformat(f"2026-01-{day}T{clock}+00:00")


class Warehouse:
    """A database with events put in as the stream's fold does, and the files of sql/models run on it."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.parameters = funnel_parameters("purchase", load_funnels()["purchase"])

    def store(self, events: Iterable[Event]) -> None:
        """Store events, count their minutes and record what changed; ids are made from the content."""
        with psycopg.connect(self.dsn) as connection:
            for event in events:
                connection.execute(
                    "insert into clickstream.events (event_id, event_time, event_type, user_id, page_url, page_path,"
                    " referrer_medium, device, browser, bot, properties, kafka_time)"
                    " values (%s, %s, %s, %s, 'https://shop.test/', '/', 'direct', %s, 'Firefox', %s, '{}', %s)",
                    [uuid5(NAMESPACE, repr(event)), event.time, event.type, event.user, event.device, event.bot,
                     event.time],
                )  # fmt: skip
                connection.execute(
                    "insert into clickstream.traffic_minute as m (minute, event_type, device, is_bot, events,"
                    " revenue_e4) values (date_trunc('minute', %s, 'UTC'), %s, %s, %s, 1, 0)"
                    " on conflict (minute, event_type, device, is_bot) do update set events = m.events + 1",
                    [event.time, event.type, event.device, event.bot is not None],
                )
                connection.execute(
                    "insert into clickstream.model_changes (user_id, day) values (%s, %s)",
                    [event.user, event.time.date()],
                )

    def run(self, path: str, run_id: str = "run", start: datetime = NO_INTERVAL, end: datetime = NO_INTERVAL) -> Any:
        """Run a file of sql/models as SQLExecuteQueryOperator does; the rows of its last statement."""
        text = (settings().home / "sql" / "models" / path).read_text()
        bound = {**self.parameters, "run_id": run_id, "interval_start": start, "interval_end": end}
        with psycopg.connect(self.dsn) as connection:
            for statement in DbApiHook.split_sql_string(text, strip_semicolon=True):
                cursor = connection.execute(statement, bound)
            return cursor.fetchall() if cursor.description else []

    def build(self, run_id: str = "run", start: datetime = NO_INTERVAL, end: datetime = NO_INTERVAL) -> None:
        """A whole run of clickstream_models; raises AssertionError where its gate would stop it."""
        for path in (
            "scope/claim.sql", "reconciliation/query.sql", "funnel_users/query.sql", "funnel_steps/query.sql",
            "reconciliation/checks.sql", "funnel_users/checks.sql", "funnel_steps/checks.sql",
        ):  # fmt: skip
            self.run(path, run_id, start, end)
        [(passed, summary)] = self.run("scope/gate.sql", run_id, start, end)
        assert passed, summary
        self.run("scope/release.sql", run_id, start, end)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query).fetchall()

    def funnel_users(self) -> list[tuple[Any, ...]]:
        """All of funnel_users in order."""
        return self.rows("select * from clickstream.funnel_users order by day, user_id")

    def funnel_steps(self) -> list[tuple[Any, ...]]:
        """All of funnel_steps in order."""
        return self.rows("select * from clickstream.funnel_steps order by day, device, step")


class _Database(Protocol):
    writer: str


@pytest.fixture
def warehouse(database: _Database, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A fresh migrated database, written with the rights of clickstream_writer."""
    monkeypatch.setenv("CLICKSTREAM_HOME", str(Path(__file__).parents[1]))
    settings.cache_clear()
    return Warehouse(database.writer)
