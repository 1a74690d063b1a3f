"""`clickstream sessions` and its kin as programs of their own: pipes, signals, many processes, and DuckDB's answer."""

import fcntl
import gzip
import json
import os
import signal
import struct
import subprocess
import sys
import termios
import time
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest
from typer.testing import CliRunner

import independent
from builders import encoded, event, rfc3339
from clickstream.cli import app
from clickstream.files import decode, lines
from clickstream.generator import GeneratorOptions, generate
from independent import Raw
from waiting import wait_until

START = datetime(2026, 6, 1, 23, 30, tzinfo=UTC)


def started(*arguments: object, program: str = "", **options: Any) -> "subprocess.Popen[bytes]":
    """The program, without any setting of a platform."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLICKSTREAM_")}
    command = [sys.executable, "-c", program + "from clickstream.cli import app; app()", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **options)


def told(*arguments: object) -> Any:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hours of the simulated shop over midnight, with repeats, late events and bots: about 11,000 lines."""
    options = GeneratorOptions(rate=1, seed=7, users=600, duplicate_share=0.1, malformed_share=0, late_share=0.1)
    batches = generate(options, START, START + timedelta(hours=3))
    path = tmp_path_factory.mktemp("traffic") / "events.jsonl"
    path.write_bytes(b"".join(value + b"\n" for batch in batches for value in batch.values))
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_needs_neither_a_file_nor_a_platform(tmp_path: Path, pack: Any) -> None:
    content = encoded(event(1)) + b"\n" + encoded(event(2, 60))
    with started("sessions", "--json", "-", stdin=subprocess.PIPE, cwd=tmp_path) as process:
        output, errors = process.communicate(pack(content), timeout=60)

    assert (process.returncode, errors) == (0, b"")
    assert [row["events"] for row in json.loads(output)] == [2]


def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(encoded(event(number, 0, f"user{number}")) + b"\n" for number in range(2_000)))
    with started("sessions", "--json", path) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith(b'[{"session_id":')
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(60)

    assert (process.returncode, errors) == (1, b"")


def test_ctrl_c_ends_it_quietly() -> None:
    with started("sessions", "-", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(encoded(event(1)) + b"\n")
        process.stdin.flush()
        pipe = process.stdin.fileno()
        wait_until(lambda: not _unread(pipe), "standard input to be read")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)

    assert (process.returncode, output, errors) == (130, b"", b"")


def _unread(pipe: int) -> int:
    (waiting,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
    return int(waiting)


def test_many_processes_say_what_one_says(traffic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoilt = tmp_path / "spoilt.jsonl"
    content = traffic.read_bytes().splitlines(keepends=True)
    content[5_000:5_000] = [b"{\n", b"\n", content[17].replace(b'"event_type":"', b'"event_type":"x')]
    spoilt.write_bytes(b"".join(content))
    commands = [["sessions", traffic], ["journeys", traffic, spoilt], ["validate", spoilt, traffic]]
    alone = [told(*command) for command in commands]

    monkeypatch.setattr(lines, "_BLOCK_BYTES", 400_000)
    monkeypatch.setattr(decode, "_FEW_BLOCKS", 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})

    assert [told(*command) for command in commands] == alone
    assert [(row["line"], row["reason"]) for row in alone[2]["refused"]] == [
        (5_001, "not_json"), (5_003, "conflict"),
    ]  # fmt: skip


def test_workers_end_with_a_parent_that_is_killed() -> None:
    small = "import os; os.sched_getaffinity = lambda _: {0, 1, 2}; from clickstream.files import decode, lines;"
    small += "decode._FEW_BLOCKS = 1; lines._BLOCK_BYTES = 1;"
    with started("sessions", "-", program=small, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"".join(encoded(event(number)) + b"\n" for number in range(6)))
        process.stdin.flush()
        workers = wait_until(lambda: _workers(process.pid), "the workers to start")
        process.kill()
        process.wait(60)
        wait_until(lambda: not any(map(_lives, workers)), "the workers to end")


def _workers(parent: int) -> list[psutil.Process]:
    found = [child for child in psutil.Process(parent).children() if "spawn_main" in " ".join(child.cmdline())]
    return found if len(found) == 2 else []


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_sessions_and_journeys_are_those_that_duckdb_finds(traffic: Path) -> None:
    values = traffic.read_text().splitlines()
    visits, links = by_duckdb(values)
    found = told("sessions", traffic)

    assert len(values) > 10_000
    assert len(found) > 400
    assert [{name: row[name] for name in visits[0]} for row in found] == visits
    names = ("day", "step", "source", "target", "sessions")
    assert (
        sorted(tuple(row[name] for name in names) for row in told("journeys", "--by-day", "--full", traffic)) == links
    )


def by_duckdb(values: list[str]) -> tuple[list[dict[str, Any]], list[tuple[Any, ...]]]:
    """The sessions and the links of journeys, written as the commands write them."""
    now_ms = int(time.time() * 1_000)
    with duckdb.connect() as connection:
        independent.recompute(connection, [Raw(value.encode(), 0, line, now_ms) for line, value in enumerate(values)])
        found = connection.execute("select * from visits order by user_id, started_ms")
        names = [column[0] for column in found.description or ()]
        visits = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        links = connection.execute("select date '1970-01-01' + day::int, * exclude day from links").fetchall()
    for visit in visits:
        visit["revenue"] = visit.pop("revenue_e4") / 10_000
        visit["path"] = [path for path, _ in groupby(visit["path"])]
        visit["bounce"] = not visit["engaged"]
        for name in [name for name in visit if name.endswith("_ms")]:
            time_ms = visit.pop(name)
            visit[name.removesuffix("_ms") + "_at"] = time_ms and rfc3339(time_ms)
        del visit["path_at"], visit["first_event_id"]
    return visits, sorted((str(day), *link) for day, *link in links)
