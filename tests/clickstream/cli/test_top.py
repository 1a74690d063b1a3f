"""`clickstream top` on a real Redis and PostgreSQL; on a pseudo-terminal as a person sees it."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from datetime import UTC, datetime

import psycopg
import pytest
import redis
from typer.testing import CliRunner, Result

from clickstream.cli import app
from clickstream.cli.top_view import spark_line
from clickstream.settings import Settings, settings
from waiting import wait_until


def publish(platform: Settings) -> None:
    """What a driver publishes: figures that a frame must show."""
    with psycopg.connect(platform.postgres_owner.get_secret_value()) as owner:
        owner.execute("insert into clickstream.stream_lease (name, epoch, holder) values ('stream', 3, 'me')")
    minute = {"events": 4, "page_views": 3, "purchases": 1, "revenue": 9.5, "active_users": 2, "sessions": 1}
    performance = {"events_per_second": 1234.5, "stored_per_second": 1200, "lag_events": 7, "latency_p95_ms": 901}
    anomaly = {"metric": "events", "minute": "2026-06-01T12:01:00Z", "value": 3, "reason": "[bold]fell[/] by half"}
    with redis.Redis.from_url(platform.redis_url.get_secret_value()) as client:
        client.set("live:as_of", datetime.now(UTC).isoformat())
        client.hset("live:performance", mapping=performance)
        client.hset("live:lag", mapping={0: 3, 1: 4})
        client.hset("live:stages", mapping={"store": 120.5, "spark": 60})
        client.hset("live:active_users", mapping={"5m": 42, "30m": 99})
        client.hset("live:conversion", mapping={"sessions": 200, "views": 50, "view_rate": 0.25})
        client.hset("live:series", mapping={"2026-06-01T12:00:00Z": json.dumps(minute)})
        client.set("live:anomalies", json.dumps([anomaly]))


def once() -> Result:
    return CliRunner().invoke(app, ["top", "--once"], env={"COLUMNS": "160"})


def test_a_frame_shows_what_is_published(platform: Settings) -> None:
    publish(platform)
    result = once()
    assert result.exit_code == 0, result.output
    for shown in (
        "driver of epoch 3", "1,234", "partition 0", "latency p95, ms", "901", "store", "120", "active, 5 min", "42",
        "views, 1 h", "25.0%", "12:01 events", "[bold]fell[/] by half",
    ):  # fmt: skip
        assert shown in result.stdout, shown


def test_it_says_that_nobody_publishes(platform: Settings) -> None:  # noqa: ARG001
    result = once()
    assert result.exit_code == 0
    assert "nobody publishes" in result.stdout
    assert "no driver has taken the lease yet" in result.stdout


def test_it_says_that_redis_is_away(platform: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(platform)
    monkeypatch.setenv("CLICKSTREAM_REDIS_URL", "redis://127.0.0.1:1/0")
    settings.cache_clear()
    result = once()
    assert result.exit_code == 1
    assert "Redis is away: ConnectionError" in result.stdout
    assert "driver of epoch 3" in result.stdout


def test_without_a_terminal_it_says_what_to_do(platform: Settings) -> None:  # noqa: ARG001
    result = CliRunner().invoke(app, ["top"])
    assert result.exit_code == 2
    assert "--once" in result.output


@pytest.mark.parametrize("end", ["q", "Ctrl-C"])
def test_q_and_ctrl_c_end_it_cleanly(platform: Settings, end: str) -> None:
    publish(platform)
    keyboard, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", "from clickstream.cli import app; app()", "top", "--every", "0.2"],
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "50"},
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    os.close(terminal)
    os.set_blocking(keyboard, False)
    seen = bytearray()

    def shows() -> bool:
        with contextlib.suppress(OSError):  # nothing yet, or the other end is closed
            seen.extend(os.read(keyboard, 65_536))
        return b"partition 1" in seen

    try:
        wait_until(shows, "a frame", alive=lambda: process.poll() is None)
        if end == "q":
            os.write(keyboard, b"q")
        else:
            process.send_signal(signal.SIGINT)
        wait_until(lambda: shows() and process.poll() is not None, "its end", seconds=60)
        assert process.returncode == 0
        assert b"Traceback" not in seen
    finally:
        process.kill()
        process.wait()
        os.close(keyboard)


@pytest.mark.parametrize(("values", "line"), [([0, 1, 7], "▁▂█"), ([0, 0], "▁▁"), ([], ""), ([5], "█")])
def test_a_line_of_bars(values: list[float], line: str) -> None:
    assert spark_line(values) == line
