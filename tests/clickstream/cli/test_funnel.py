"""`clickstream funnel` as a user calls it: on the platform's PostgreSQL, and without one."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from typer.testing import CliRunner, Result

from builders import encoded, event
from clickstream.cli import app
from clickstream.settings import Settings, settings
from waiting import wait_until

ROOT = Path(__file__).parents[3]
FUNNELS = """\
buy: {scope: user, window: 1 hour, breakdown: [device], steps: [view_item, purchase]}
visit: {scope: session, steps: [view_item, purchase]}
"""
EVENTS = [
    event(1, 0, "ann", "view_item"), event(2, 60, "ann", "purchase"), event(3, 0, "bob", "view_item"),
    event(4, 3_000, "bob", "purchase"),
]  # fmt: skip


class _Database(Protocol):
    writer: str


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["funnel", *map(str, arguments)])


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(ROOT))
    monkeypatch.delenv("CLICKSTREAM_POSTGRES_WRITER", raising=False)
    settings.cache_clear()
    funnels, events = tmp_path / "funnels.yaml", tmp_path / "events.jsonl"
    funnels.write_text(FUNNELS)
    lines = [*map(encoded, EVENTS), encoded(EVENTS[0]), b"", b'{"event_id": 1}']
    events.write_bytes(b"\n".join(lines) + b"\n")
    return funnels, events


@pytest.fixture
def platform_database(database: _Database, monkeypatch: pytest.MonkeyPatch, files: tuple[Path, Path]) -> str:
    assert files
    monkeypatch.setenv("CLICKSTREAM_POSTGRES_WRITER", database.writer)
    settings.cache_clear()
    return database.writer


def steps(name: str, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (row["step"], row["name"], row["users"], row["share_of_first"], row["first_median_seconds"])
        for row in rows
        if row["kind"] == "step" and row["funnel"] == name and row["breakdown"] == "(all)"
    ]


def test_json_on_the_platforms_postgresql(platform_database: str, files: tuple[Path, Path]) -> None:
    result = call("run", *files, "--json")
    assert result.exit_code == 0, result.output
    assert "4 events, 1 repeats, 1 lines refused" in result.stderr
    assert f"{files[1]}:7: " in result.stderr.replace("\n", "")
    rows = json.loads(result.stdout)
    assert steps("buy", rows) == [(1, "view_item", 2, 1.0, None), (2, "purchase", 2, 1.0, 1_530.0)]
    assert steps("visit", rows) == [(1, "view_item", 2, 1.0, None), (2, "purchase", 1, 0.5, 60.0)]
    assert [row for row in rows if row["kind"] == "time_to_convert" and row["funnel"] == "visit"] == [
        {"kind": "time_to_convert", "funnel": "visit", "at_least": "00:01:00", "below": "00:02:00", "users": 1}
    ]
    assert list(rows[0]) == [
        "kind", "funnel", "breakdown", "value", "step", "users", "share_of_previous", "share_of_first",
        "previous_p25_seconds", "previous_median_seconds", "previous_p75_seconds", "previous_p90_seconds",
        "first_p25_seconds", "first_median_seconds", "first_p75_seconds", "first_p90_seconds", "name",
    ]  # fmt: skip
    with psycopg.connect(platform_database) as connection:
        for table in ("events", "sessions", "funnel_users", "funnel_steps", "model_users"):
            assert connection.execute(f"select count(*) from clickstream.{table}").fetchone() == (0,)


def test_days_and_users(platform_database: str, files: tuple[Path, Path]) -> None:
    assert platform_database
    result = call("run", *files, "--json", "--by-day", "--users", "--funnel", "buy")
    rows = json.loads(result.stdout)
    assert {row["day"] for row in rows if row["kind"] != "time_to_convert"} == {"2026-06-01"}
    assert [row for row in rows if "reached" in row] == [
        {
            "kind": "user", "funnel": "buy", "day": "2026-06-01", "scope_id": user, "user_id": user,
            "entered_at": "2026-06-01T12:00:00.000Z", "reached": 2,
            "step_at": ["2026-06-01T12:00:00.000Z", end], "breakdown": {"device": "other"},
        }
        for user, end in (("ann", "2026-06-01T12:01:00.000Z"), ("bob", "2026-06-01T12:50:00.000Z"))
    ]  # fmt: skip


def test_outside_of_the_checkout(files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert files
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLICKSTREAM_HOME")
    assert Settings().home == ROOT
    monkeypatch.chdir(ROOT)
    assert Settings().home == Path()


def test_what_only_postgresql_refuses_names_the_funnel(platform_database: str, files: tuple[Path, Path]) -> None:
    assert platform_database
    files[0].write_text("odd: {scope: session, steps: [view_item, {page: {regex: 'a{5'}}]}\n")
    result = call("run", *files)
    assert result.exit_code == 2
    assert f"{files[0]}: funnel odd: PostgreSQL refuses it: invalid regular expression" in result.stderr


def test_tables_for_people(platform_database: str, files: tuple[Path, Path]) -> None:
    assert platform_database
    result = call("run", *files, "--users")
    assert result.exit_code == 0, result.output
    for word in ("1. view_item", "2. purchase", "buy, device: other", "100.0%", "25.5 min", "time to convert", "ann"):
        assert word in result.stdout


def test_a_server_of_its_own_where_there_is_no_platform(files: tuple[Path, Path]) -> None:
    result = call("run", *files, "--json", "--funnel", "visit")
    assert result.exit_code == 0, result.output
    assert [row["users"] for row in json.loads(result.stdout) if row["kind"] == "step"] == [2, 1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_behind(files: tuple[Path, Path], tmp_path: Path, number: signal.Signals) -> None:
    """The events come from a pipe that nobody writes: the command waits with its server up until it is told to stop."""
    pipe, scratch = tmp_path / "pipe", tmp_path / "scratch"
    os.mkfifo(pipe)
    scratch.mkdir()
    scratch.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-c", "from clickstream.cli import app; app()", "funnel", "run", files[0], pipe],
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        wait_until(
            lambda: list(scratch.glob("*/data/postmaster.pid")), "the server", alive=lambda: process.poll() is None
        )
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, told
    assert b"interrupted" in told
    assert list(scratch.iterdir()) == []


def test_a_platform_that_is_away(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_POSTGRES_WRITER", "host=127.0.0.1 port=1 dbname=x user=x")
    settings.cache_clear()
    result = call("run", *files, "--json")
    assert result.exit_code == 0, result.stderr
    assert steps("buy", json.loads(result.stdout))[0][2] == 2, "a server of its own answers"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--funnel", "none"], "no funnel none; it has buy, visit"),
        (["{missing}"], "No such file"),
    ],
)
def test_what_is_asked_wrongly(
    platform_database: str, files: tuple[Path, Path], tmp_path: Path, arguments: list[str], message: str
) -> None:
    assert platform_database
    words = [files[0], files[1], *arguments] if arguments[0] != "{missing}" else [files[0], tmp_path / "no.jsonl"]
    result = call("run", *words)
    assert (result.exit_code, message in result.stderr.replace("\n", " ")) == (2, True), result.stderr


def test_check(files: tuple[Path, Path]) -> None:
    good = call("check", files[0])
    assert (good.exit_code, good.stdout.splitlines()) == (
        0,
        ["buy: user, ordered, within 1 hour: view_item > purchase",
         "visit: session, ordered, within the session: view_item > purchase"],
    )  # fmt: skip
    files[0].write_text("buy: {scope: user, steps: [view_item, purchase]}\n")
    bad = call("check", files[0])
    assert bad.exit_code == 2
    assert f"{files[0]}:1: funnel buy: scope user needs a window" in bad.stderr.replace("\n", "")
