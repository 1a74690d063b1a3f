"""The anomaly detector against labelled series."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from clickstream.anomalies.nab import Series, Tally

console = Console()
errors = Console(stderr=True)
anomalies = typer.Typer(help="How well the anomaly detector of metric series does.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the front door."""
    app.add_typer(anomalies, name="anomalies")


@anomalies.callback()
def _group() -> None:
    """A group of commands, also while it has one."""


@anomalies.command()
def score(
    folder: Annotated[Path, typer.Argument(help="holds data/<family>/<series>.csv and labels/combined_windows.json")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """Run the detector over a folder in NAB's format and print the standard-profile score per family and in all.

    0 is a detector that finds nothing, 100 a perfect one; normalised over the series given. Nothing is tuned here:
    the setting is the one that the stream uses.

    Examples: [bold]clickstream anomalies score ../NAB[/], [bold]clickstream anomalies score ../NAB --json[/]
    """
    from clickstream.anomalies.nab import NabError, read_folder, total

    try:
        series = read_folder(folder)
    except (NabError, OSError) as error:
        errors.print(f"[red]error:[/] {error}", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from None
    tallies = _run(series)
    families = sorted({one.family for one in series})
    rows = {name: total(t for one, t in zip(series, tallies, strict=True) if one.family == name) for name in families}
    if as_json:
        found = _figures(total(tallies))
        found["families"] = {name: _figures(tally) for name, tally in rows.items()}
        found["every_series"] = {one.name: _figures(tally) for one, tally in zip(series, tallies, strict=True)}
        typer.echo(json.dumps(found, indent=2))
        return
    console.print(_table(rows, total(tallies)))


def _run(series: "list[Series]") -> "list[Tally]":
    """Each series through a detector of its own."""
    from clickstream.anomalies.detector import Detector
    from clickstream.anomalies.nab import tally

    tallies = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("rows", total=sum(len(one.values) for one in series))
        for one in series:
            bar.update(task, description=one.name)
            detector = Detector()
            alarms = [detector.observe(time, value).alarm for time, value in zip(one.times, one.values, strict=True)]
            tallies.append(tally(alarms, one.windows))
            bar.advance(task, len(one.values))
    return tallies


def _figures(tally: "Tally") -> dict[str, Any]:
    return {
        "score": None if tally.score is None else round(tally.score, 2),
        "series": tally.series,
        "windows": tally.windows,
        "found": tally.found,
        "false_alarms": tally.false_alarms,
        "raw": round(tally.raw, 4),
    }


def _table(rows: "dict[str, Tally]", everything: "Tally") -> Table:
    table = Table(title="NAB standard profile: 0 finds nothing, 100 is perfect")
    table.add_column("family")
    for name in ("series", "windows", "found", "false alarms", "score"):
        table.add_column(name, justify="right")
    for name, tally in [*rows.items(), ("all", everything)]:
        last = name == "all" and tally is everything
        cells = [tally.series, tally.windows, tally.found, tally.false_alarms]
        points = "-" if tally.score is None else f"{tally.score:.1f}"
        table.add_row(name, *(f"{cell:,}" for cell in cells), points, style="bold" if last else None)
    return table
