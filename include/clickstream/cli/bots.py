"""The rules for bots against the generator's."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from clickstream.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickstream.anomalies.bot_score import Score
    from clickstream.generator.ledger import Ledger
    from clickstream.generator.records import Batch

console = Console()
bots = typer.Typer(help="How well bots are told from people.", no_args_is_help=True)

_START = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday; any would do


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the front door."""
    app.add_typer(bots, name="bots")


@bots.callback()
def _group() -> None:
    """A group of commands, also while it has one."""


@bots.command()
def score(
    hours: Annotated[float, typer.Option(help="simulated hours from Monday midnight, UTC", min=0.1, max=744)] = 6,
    rate: Annotated[float, typer.Option(help="average records/s", min=0.1, max=100_000)] = 20,
    seed: Annotated[int, typer.Option(help="same seed, same bots", min=0)] = 101,
    share: Annotated[float, typer.Option("--bots", help="share of sessions of bots", min=0, max=1)] = 0.06,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of tables")] = False,
) -> None:
    """Simulate traffic, fold it into sessions as the stream does, and print precision and recall of bots.

    No server is asked. The generator's ledger says which users are bots: declared ones by their user agent, behavioural
    ones with a browser's. The second table counts session anomalies, and how many of them accuse a person.

    Examples: [bold]clickstream bots score[/], [bold]clickstream bots score --hours 48 --seed 7 --json[/]
    """
    from clickstream.anomalies.bot_score import accused, scores, simulated_sessions
    from clickstream.generator import GeneratorOptions
    from clickstream.generator.ledger import Ledger
    from clickstream.settings import settings

    # Repeats never reach a session, and here is no table of ids that would drop them.
    options = GeneratorOptions().model_copy(
        update={"rate": rate, "seed": seed, "bot_share": share, "duplicate_share": 0.0}
    )
    ledger = Ledger(options, _START, _START + timedelta(hours=hours))
    platform = settings()
    rows = simulated_sessions(
        _watched(ledger), platform.session_gap_seconds * 1_000, platform.future_tolerance_seconds * 1_000
    )
    found, anomalies = scores(rows, ledger.bots), accused(rows, ledger.bots)
    if as_json:
        told: dict[str, Any] = {"records": ledger.records, "sessions_in_all": len(rows)}
        told |= {level: {kind: _figures(one) for kind, one in kinds.items()} for level, kinds in found.items()}
        typer.echo(json.dumps(told | {"anomalies": anomalies}, indent=2))
        return
    title = f"{len(rows):,} sessions of {hours:g} hours, seed {seed}"
    console.print(_score_table(title, found), _anomaly_table(anomalies))


def _watched(ledger: "Ledger") -> "Iterator[Batch]":
    """The batches of the ledger's window, entered into it, with a bar on stderr."""
    from clickstream.generator import generate

    start_ms = ledger.start.timestamp() * 1_000
    with progress("simulate", (ledger.end - ledger.start).total_seconds() / 60, "minutes") as bar:
        for batch in generate(ledger.options, ledger.start, ledger.end):
            ledger.add(batch)
            yield batch
            bar.to((int(batch.emit_ms[-1]) - start_ms) / 60_000)


def _figures(one: "Score") -> dict[str, Any]:
    return asdict(one) | {"precision": _rounded(one.precision), "recall": _rounded(one.recall)}


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _score_table(title: str, found: "dict[str, dict[str, Score]]") -> Table:
    table = Table(title=title)
    table.add_column("counted")
    table.add_column("bots", no_wrap=True)
    for name in ("in all", "called", "rightly", "precision", "recall"):
        table.add_column(name, justify="right")
    for level, kinds in found.items():
        for kind, one in kinds.items():
            shares = ("-" if share is None else f"{share:.3f}" for share in (one.precision, one.recall))
            table.add_row(level, kind, f"{one.bots:,}", f"{one.called:,}", f"{one.rightly:,}", *shares)
    return table


def _anomaly_table(anomalies: dict[str, dict[str, int]]) -> Table:
    table = Table(title="session anomalies")
    table.add_column("kind")
    for name in ("sessions", "of people"):
        table.add_column(name, justify="right")
    for kind, counts in anomalies.items():
        table.add_row(kind, f"{counts['sessions']:,}", f"{counts['people']:,}")
    return table
