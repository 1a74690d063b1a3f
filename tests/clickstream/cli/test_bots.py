"""The command `bots score` as a user calls it, on a seed that no rule was made with."""

import json

from typer.testing import CliRunner, Result

from clickstream.cli import app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["bots", "score", *arguments])


def test_bots_are_found_and_people_left_alone() -> None:
    result = run("--hours", "1", "--rate", "20", "--bots", "0.25", "--seed", "4711", "--json")

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["records"] > 40_000
    for level in ("sessions", "users"):
        for kind in ("declared", "behavioural", "all"):
            figures = found[level][kind]
            assert figures["bots"] >= 30
            assert figures["precision"] >= 0.9
            assert figures["recall"] >= 0.9
    assert sum(kind["people"] for kind in found["anomalies"].values()) == 0


def test_the_tables_say_the_same_again_and_again() -> None:
    tables = [run("--hours", "0.2", "--rate", "20", "--seed", "5").stdout for _ in range(2)]

    assert tables[0] == tables[1]
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in tables[0].splitlines() if "│" in line]
    assert [row[:2] for row in cells[:6]] == [
        [level, kind] for level in ("sessions", "users") for kind in ("declared", "behavioural", "all")
    ]


def test_traffic_without_bots_accuses_nobody() -> None:
    found = json.loads(run("--hours", "0.2", "--rate", "20", "--bots", "0", "--json").stdout)

    nothing = {"bots": 0, "called": 0, "rightly": 0, "precision": None, "recall": None}
    assert found["sessions"]["all"] == found["users"]["all"] == nothing
    assert found["anomalies"] == {}


def test_a_window_without_length_is_refused() -> None:
    result = run("--hours", "0")

    assert result.exit_code == 2
    assert "--hours" in result.output
