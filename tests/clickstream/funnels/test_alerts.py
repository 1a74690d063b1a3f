"""Alerts on funnel steps: judged once, written to `anomalies`, delivered to a real server."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
import yaml

from clickstream.funnels.alerts import WebhookError, deliver, judge
from clickstream.funnels.config import Funnel, load_funnels
from clickstream.settings import settings

START = datetime(2026, 1, 1, tzinfo=UTC)
METRIC = "funnel f: step 2 b of previous by hour"
HOURS = 100
FALL = 80  # the hour in which the rate falls from a half to a twentieth
ENTRIES = 200


class _Database(Protocol):
    writer: str


@pytest.fixture
def connection(database: _Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(Path(__file__).parents[3]))
    settings.cache_clear()
    with psycopg.connect(database.writer, autocommit=True) as opened:
        opened.execute("set timezone = 'UTC'")
        yield opened
    settings.cache_clear()


def declared(tmp_path: Path, **alert: Any) -> dict[str, Funnel]:
    file = tmp_path / "funnels.yaml"
    steps = ["a", {"event": "b", "alert": {"within": "2 hours", **alert}}]
    file.write_text(yaml.safe_dump({"f": {"scope": "user", "window": "1 day", "steps": steps}}))
    return load_funnels(file)


def fill(connection: psycopg.Connection, hours: range, factor: float = 1.0) -> None:
    """Entries of whole hours, half of which come to step 2 after a minute; after the fall a twentieth."""
    with connection.cursor().copy("copy clickstream.funnel_users from stdin") as copy:
        for hour in hours:
            share = 0.05 if hour >= FALL else 0.5 * factor + 0.02 * (hour % 3)
            for number in range(ENTRIES):
                entered = START + timedelta(hours=hour, seconds=number)
                reached = 2 if number < share * ENTRIES else 1
                times = [entered, entered + timedelta(minutes=1)][:reached]
                user = f"{hour}-{number}"
                copy.write_row(("f", entered.date(), user, user, entered, reached, times, "{}"))


def anomalies(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return connection.execute("select metric, minute, value from clickstream.anomalies order by minute").fetchall()


def test_a_fall_is_an_anomaly_once(connection: psycopg.Connection, tmp_path: Path) -> None:
    fill(connection, range(HOURS))
    funnels, now = declared(tmp_path), START + timedelta(hours=HOURS + 2)
    [line] = judge(connection, funnels, now)
    assert line.startswith(f"{METRIC}, 2026-01-04 08:00: 5.0%, expected 5")
    assert anomalies(connection) == [(METRIC, START + timedelta(hours=FALL), 0.05)]
    row = connection.execute("select expected, lower_bound, upper_bound, score from clickstream.anomalies").fetchone()
    assert row is not None and 0.05 < row[1] < row[0] < row[2] and row[3] >= 1
    assert judge(connection, funnels, now) == []
    assert judge(connection, funnels, now + timedelta(minutes=59)) == []
    assert len(anomalies(connection)) == 1


def test_a_rise_is_no_alert(connection: psycopg.Connection, tmp_path: Path) -> None:
    fill(connection, range(FALL - 10))
    fill(connection, range(FALL - 10, FALL), factor=1.9)
    assert judge(connection, declared(tmp_path), START + timedelta(hours=HOURS)) == []


def test_an_hour_is_judged_when_its_entries_had_their_time(connection: psycopg.Connection, tmp_path: Path) -> None:
    fill(connection, range(HOURS))
    funnels = declared(tmp_path)
    settled = START + timedelta(hours=FALL + 1) + timedelta(hours=2)
    assert judge(connection, funnels, settled - timedelta(seconds=1)) == []
    assert len(judge(connection, funnels, settled)) == 1


def test_steps_after_the_time_do_not_count(connection: psycopg.Connection, tmp_path: Path) -> None:
    fill(connection, range(HOURS))
    connection.execute(
        "update clickstream.funnel_users set step_at[2] = step_at[2] + interval '2 hours'"
        " where reached = 2 and entered_at >= %s and entered_at < %s",
        [START + timedelta(hours=FALL - 5), START + timedelta(hours=FALL - 4)],
    )
    assert len(judge(connection, declared(tmp_path), START + timedelta(hours=HOURS))) == 1
    assert [(minute, value) for _, minute, value in anomalies(connection)] == [(START + timedelta(hours=FALL - 5), 0.0)]


def test_in_pieces_as_in_one_go(connection: psycopg.Connection, tmp_path: Path) -> None:
    fill(connection, range(HOURS))
    funnels = declared(tmp_path)
    for hour in range(0, HOURS + 3, 7):
        judge(connection, funnels, START + timedelta(hours=hour))
    pieces = anomalies(connection)
    connection.execute("delete from clickstream.anomalies")
    connection.execute("delete from clickstream.funnel_alert_state")
    judge(connection, funnels, START + timedelta(hours=HOURS + 2))
    assert anomalies(connection) == pieces != []


class Hook:
    """A server that takes JSON, after as many refusals as it is told."""

    def __init__(self) -> None:
        self.refusals = 0
        self.tries = 0
        self.taken: list[Any] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.tries += 1
                if hook.tries <= hook.refusals:
                    self.send_response(503)
                else:
                    assert self.headers["Content-Type"] == "application/json"
                    hook.taken.append(json.loads(body))
                    self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/alert"


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_a_webhook_hears_of_it_once(connection: psycopg.Connection, tmp_path: Path, hook: Hook) -> None:
    fill(connection, range(HOURS))
    hook.refusals = 2
    judge(connection, declared(tmp_path, webhook="HOOK"), START + timedelta(hours=HOURS))
    assert deliver(connection, {"HOOK": hook.address}, wait=0.01) == 1
    [message] = hook.taken
    assert hook.tries == 3
    figures = {name: message.pop(name) for name in ("expected", "lower_bound", "upper_bound", "score", "reason")}
    assert (figures["score"] >= 1 and "too low" in figures["reason"]) or "fell" in figures["reason"]
    assert message == {
        "kind": "funnel_step", "funnel": "f", "step": 2, "name": "b", "of": "previous", "per": "hour",
        "period": "2026-01-04T08:00:00+00:00", "value": 0.05,
    }  # fmt: skip
    assert deliver(connection, {"HOOK": hook.address}, wait=0.01) == 0
    assert hook.tries == 3


def test_what_a_webhook_refuses_is_sent_again_by_the_next_run(
    connection: psycopg.Connection, tmp_path: Path, hook: Hook
) -> None:
    fill(connection, range(HOURS))
    hook.refusals = 4
    judge(connection, declared(tmp_path, webhook="HOOK"), START + timedelta(hours=HOURS))
    with pytest.raises(WebhookError, match=rf"{METRIC} of 2026-01-04 08:00: HOOK: Server error '503"):
        deliver(connection, {"HOOK": hook.address}, wait=0.01)
    assert (hook.tries, hook.taken) == (4, [])
    with pytest.raises(WebhookError, match="HOOK: this environment variable is not set"):
        deliver(connection, {}, wait=0.01)
    assert deliver(connection, {"HOOK": hook.address}, wait=0.01) == 1
    assert len(hook.taken) == 1


def test_no_webhook_no_message(connection: psycopg.Connection, tmp_path: Path) -> None:
    fill(connection, range(HOURS))
    assert len(judge(connection, declared(tmp_path), START + timedelta(hours=HOURS))) == 1
    assert deliver(connection, {}) == 0
