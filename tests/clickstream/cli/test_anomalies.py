"""The commands `anomalies …` as a user calls them."""

import json
import os
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from clickstream.cli import app
from clickstream.settings import settings

DATA = Path(os.environ.get("CLICKSTREAM_TEST_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["anomalies", *arguments])


def run(*arguments: str) -> Result:
    return call("score", *arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two families of 170 minutes: in one a spike that is labelled, in the other nothing."""
    rows = [f"2026-01-01 {row // 60:02}:{row % 60:02}:00,{100 + row * 7 % 5}" for row in range(170)]
    spiked = [*rows[:150], "2026-01-01 02:30:00,900", *rows[151:]]
    for family, lines in (("calm", rows), ("spiked", spiked)):
        (tmp_path / "data" / family).mkdir(parents=True)
        (tmp_path / "data" / family / "one.csv").write_text("\n".join(["timestamp,value", *lines]) + "\n")
    labels = {"calm/one.csv": [], "spiked/one.csv": [["2026-01-01 02:30:00.000000", "2026-01-01 02:40:00.000000"]]}
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "combined_windows.json").write_text(json.dumps(labels))
    return tmp_path


def test_the_score_is_told_per_family_and_in_all(folder: Path) -> None:
    result = run(str(folder))

    assert result.exit_code == 0, result.output
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.output.splitlines() if "│" in line]
    assert cells == [
        ["calm", "1", "0", "0", "0", "-"],
        ["spiked", "1", "1", "1", "0", "100.0"],
        ["all", "2", "1", "1", "0", "100.0"],
    ]


def test_a_folder_is_named_as_it_is_called(tmp_path: Path) -> None:
    absent = tmp_path / "x[/y]" / "[bold]z"

    result = run(str(absent))

    assert result.exit_code == 2
    assert f"error: {absent} is not a folder" in result.stderr


def test_json_has_the_same_figures_and_each_series(folder: Path) -> None:
    found = json.loads(run(str(folder), "--json").stdout)

    whole = {"score": 100.0, "series": 2, "windows": 1, "found": 1, "false_alarms": 0, "raw": 1.0}
    calm = {"score": None, "series": 1, "windows": 0, "found": 0, "false_alarms": 0, "raw": 0.0}
    spiked = whole | {"series": 1}
    assert found == {
        **whole,
        "families": {"calm": calm, "spiked": spiked},
        "every_series": {"calm/one.csv": calm, "spiked/one.csv": spiked},
    }


def test_the_shared_data_score_well_above_what_is_asked() -> None:
    source = DATA / "nab"
    if not source.is_dir():
        pytest.fail(f"{source} is not there: set CLICKSTREAM_TEST_DATA to the directory of the shared data")
    found = json.loads(run(str(source), "--json").stdout)

    assert set(found["families"]) == {"realAdExchange", "realTraffic"}
    assert found["series"] == 13
    assert found["score"] >= 72


def test_a_wrong_folder_is_told_plainly(tmp_path: Path) -> None:
    result = run(str(tmp_path))

    assert result.exit_code == 2
    assert "combined_windows.json is missing" in result.output
    assert "Traceback" not in result.output


def test_check_counts_every_injected_incident_and_repeats_itself() -> None:
    arguments = ("check", "--days", "2", "--rate", "10", "--seed", "4", "--json")
    found = json.loads(call(*arguments).stdout)

    assert (found["days"], found["rate"], found["seed"], found["incidents"]) == (2, 10, 4, 6)
    metrics = found["metrics"]
    assert set(metrics) == {"events", "active_users", "conversion", "revenue", "page_load_p75", "rejected_share"}
    for name in ("incidents", "found", "episodes", "right"):
        assert found[name] == sum(metric[name] for metric in metrics.values())
    assert found["found"] >= 4
    assert json.loads(call(*arguments).stdout) == found


def test_check_tells_a_table() -> None:
    result = call("check", "--days", "1", "--rate", "1")

    assert result.exit_code == 0, result.output
    assert "recall" in result.output and "page_load_p75" in result.output


def test_relearn_forgets_what_the_detectors_know(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_POSTGRES_WRITER", database.writer)
    settings.cache_clear()
    with psycopg.connect(database.writer, autocommit=True) as connection:
        connection.execute("insert into clickstream.anomaly_state values ('events', now(), '{}')")
        result = call("relearn")
        left = connection.execute("select count(*) from clickstream.anomaly_state").fetchone()
    settings.cache_clear()

    assert (result.exit_code, left) == (0, (0,)), result.output


def test_relearn_without_postgresql_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_POSTGRES_WRITER", "host=127.0.0.1 port=1 dbname=clickstream")
    settings.cache_clear()
    result = call("relearn")
    settings.cache_clear()

    assert result.exit_code == 1
    assert "PostgreSQL" in result.output and "Traceback" not in result.output
