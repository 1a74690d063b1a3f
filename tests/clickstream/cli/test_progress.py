"""How far a command is: seen on a terminal's stderr alone, by one module for all commands."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from clickstream.cli import app

CLI = Path(__file__).parents[3] / "include" / "clickstream" / "cli"
# Whatever platform runs on this machine, this is none.
NOWHERE = {
    "CLICKSTREAM_HOME": str(CLI.parents[2]),
    "CLICKSTREAM_KAFKA_BOOTSTRAP": "127.0.0.1:1",
    "CLICKSTREAM_POSTGRES_READER": "host=127.0.0.1 port=1",
    "CLICKSTREAM_POSTGRES_OWNER": "host=127.0.0.1 port=1",
    "CLICKSTREAM_REDIS_URL": "redis://127.0.0.1:1/0",
}
COUNTING = """
from clickstream.cli import progress

progress.PATIENCE_SECONDS = {patience}
with progress.progress("fold", {total}, "{unit}") as bar:
    for _ in range(4):
        bar.add(500)
        print("a figure")
"""


def on_a_terminal(*arguments: str) -> tuple[int, str, str]:
    """Python with these arguments: exit code, stdout (a pipe) and what its stderr (a terminal) was sent."""
    outer, inner = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", **NOWHERE}
    process = subprocess.Popen(
        [sys.executable, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=inner
    )
    os.close(inner)
    sent = b""
    while piece := _read(outer):
        sent += piece
    os.close(outer)
    out, _ = process.communicate(timeout=120)
    return process.returncode, out.decode(), re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", sent.decode())


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux: the other side is closed
        return b""


def counted(patience: float, total: int | None, unit: str) -> tuple[int, str, str]:
    return on_a_terminal("-c", COUNTING.format(patience=patience, total=total, unit=unit))


def test_a_bar_has_count_rate_and_time_left_and_leaves_stdout_alone() -> None:
    code, out, terminal = counted(0, 2_000, "events")
    assert (code, out) == (0, "a figure\n" * 4)
    last = re.findall(r"fold .*", terminal)[-1]
    assert re.search(r"━.* 2,000 of 2,000 events +[\d,]+ events/s +0:00:00", last), last


def test_bytes_and_an_unknown_total() -> None:
    code, _, terminal = counted(0, None, "bytes")
    assert code == 0
    assert re.search(r"2\.0 kB +[\d.]+ \w*B/s", re.findall(r"fold .*", terminal)[-1]), terminal


def test_what_is_quick_shows_no_bar() -> None:
    assert counted(60, 2_000, "events") == (0, "a figure\n" * 4, "")


def test_json_is_all_of_stdout_also_beside_a_spinner() -> None:
    code, out, terminal = on_a_terminal("-c", "from clickstream.cli import app; app()", "doctor", "--json")
    assert code == 1, terminal
    assert json.loads(out)["findings"][0]["fault"] is True
    assert "examining every part" in terminal


def test_in_a_pipe_nothing_is_drawn() -> None:
    result = CliRunner().invoke(app, ["bots", "score", "--hours", "0.5", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["records"] > 0
    assert result.stderr == ""


def test_no_other_module_draws_progress() -> None:
    drawn = re.compile(r"rich\.(progress|status|spinner)|[cC]onsole\.status|errors\.status")
    assert [file.name for file in CLI.glob("*.py") if drawn.search(file.read_text())] == ["progress.py"]
