"""Every command explains itself."""

import re

import click
import pytest
import typer
from typer.testing import CliRunner

from clickstream.cli import app


def commands(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all commands, without their groups."""
    found = getattr(command, "commands", None)
    if found is None:
        return [path]
    return [leaf for name, below in found.items() for leaf in commands(below, (*path, name))]


COMMANDS = commands(typer.main.get_command(app))


def test_all_are_listed() -> None:
    assert {("doctor",), ("top",), ("status",), ("funnel", "run"), ("dead-letters", "replay")} <= set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_has_an_example_that_names_the_command(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "120", "TERM": "dumb"})
    assert result.exit_code == 0
    shown = re.sub(r"[\s│]+", " ", result.stdout)
    assert re.search(rf"Examples?:.* clickstream {' '.join(path)}", shown), shown


def test_the_front_door_has_examples() -> None:
    assert "clickstream status" in CliRunner().invoke(app, ["--help"]).stdout
