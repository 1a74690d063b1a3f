"""The anomaly detector against labelled series and the generator's incidents; and let the stream learn anew."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clickstream.cli.progress import progress

if TYPE_CHECKING:
    from clickstream.anomalies import incidents
    from clickstream.anomalies.nab import Series, Tally

console = Console()
errors = Console(stderr=True)
anomalies = typer.Typer(help="How well the anomalies of metrics are found.", no_args_is_help=True)
_START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday: what is simulated does not depend on the day of the run


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the front door."""
    app.add_typer(anomalies, name="anomalies")


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
        errors.print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
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


@anomalies.command()
def check(
    days: Annotated[int, typer.Option(help="simulated days, from a cold start", min=1, max=366)] = 14,
    rate: Annotated[float, typer.Option(help="records/s, averaged over a week", min=0.1, max=1_000)] = 50.0,
    seed: Annotated[int, typer.Option(help="of the simulation", min=0)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """The generator's incidents against what the stream's detectors find in its traffic.

    Recall: incidents whose own metric raised an alarm. Precision: episodes of alarms that belong to an incident.
    Nothing is started and nothing is written. docs/anomalies.md says how it counts.

    Examples: [bold]clickstream anomalies check[/], [bold]clickstream anomalies check --seed 7 --days 28 --json[/]
    """
    from clickstream.anomalies import incidents, simulated
    from clickstream.anomalies.series import Series
    from clickstream.generator import GeneratorOptions, schedule

    options = GeneratorOptions(rate=rate, seed=seed)
    with progress("simulate", days * 1_440, "minutes") as bar:
        minutes = simulated.minutes(options, _START, days * 1_440, bar.add)
    series, start_ms = Series(), int(_START.timestamp()) * 1_000
    alarms = [alarm for minute in minutes for alarm in series.observe(minute)]
    injected = schedule.incidents(options, start_ms, start_ms + days * schedule.DAY_MS)
    rows = incidents.tallies(alarms, injected)
    everything = sum(rows.values(), incidents.Tally())
    if as_json:
        found = {"days": days, "rate": rate, "seed": seed, **_shares(everything)}
        typer.echo(json.dumps(found | {"metrics": {name: _shares(tally) for name, tally in rows.items()}}, indent=2))
        return
    console.print(_incident_table(rows, everything, f"{rate:g} records/s, days: {days}, seed: {seed}"))


@anomalies.command()
def relearn() -> None:
    """Let the running stream judge the minutes of the last 14 days anew: after a backfill, or history made later.

    Their anomalies are replaced; older ones stay. Running it twice gives the same.

    Example: [bold]clickstream anomalies relearn[/]
    """
    import psycopg

    from clickstream.anomalies.scoring import forget
    from clickstream.settings import settings

    try:
        with psycopg.connect(settings().postgres_writer.get_secret_value(), connect_timeout=5) as connection:
            forget(connection)
    except psycopg.OperationalError as error:
        errors.print(f"[red]error:[/] PostgreSQL: {escape(str(error))}", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from None
    console.print("The stream learns anew from the last 14 days, at once while it runs, else when it starts.")


def _shares(tally: "incidents.Tally") -> dict[str, Any]:
    shares = {"recall": tally.recall, "precision": tally.precision}
    return {
        "incidents": tally.incidents,
        "found": tally.found,
        "episodes": tally.episodes,
        "right": tally.right,
        **{name: None if share is None else round(share, 4) for name, share in shares.items()},
    }


def _incident_table(rows: "dict[str, incidents.Tally]", everything: "incidents.Tally", title: str) -> Table:
    table = Table(title=title)
    table.add_column("metric")
    for name in ("incidents", "found", "recall", "episodes", "right", "precision"):
        table.add_column(name, justify="right")
    for name, tally in [*rows.items(), ("all", everything)]:
        recall, precision = ("-" if share is None else f"{share:.2f}" for share in (tally.recall, tally.precision))
        cells = (f"{tally.incidents:,}", f"{tally.found:,}", recall, f"{tally.episodes:,}", f"{tally.right:,}")
        table.add_row(name, *cells, precision, style="bold" if tally is everything else None)
    return table


def _run(series: "list[Series]") -> "list[Tally]":
    """Each series through a detector of its own."""
    from clickstream.anomalies.detector import Detector
    from clickstream.anomalies.nab import tally

    tallies = []
    with progress("score", sum(len(one.values) for one in series), "rows") as bar:
        for one in series:
            bar.name(one.name)
            detector = Detector()
            alarms = [detector.observe(time, value).alarm for time, value in zip(one.times, one.values, strict=True)]
            tallies.append(tally(alarms, one.windows))
            bar.add(len(one.values))
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
