"""`clickstream doctor`: what is wrong, and what helps."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clickstream.cli.progress import status

if TYPE_CHECKING:
    from collections.abc import Callable

    from clickstream.doctor import Finding
    from clickstream.doctor.stream import Scheduled
    from clickstream.settings import Settings

console = Console()
errors = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the command of this module to the front door."""
    app.command()(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document instead of a table")] = False,
) -> None:
    """Look for the usual faults and say what helps against each; exit code 1 when there is one, 2: wrong settings.

    Kafka and the address that it advertises, the topic, migrations, the stream and why it is delayed, dashboards and
    why they are slow, Redis, disk, memory and clocks. Changes nothing; what is away does not stop the others.

    Examples: [bold]clickstream doctor[/], [bold]clickstream doctor --json | jq '.findings[] | select(.fault)'[/]
    """
    from clickstream.doctor import examine
    from clickstream.settings import settings

    try:
        platform = settings()
        airflow = _airflow(platform)
    except ValueError as error:  # pydantic's is one, and that of `.env`
        errors.print(f"[red]settings:[/] {escape(str(error))}")
        raise typer.Exit(2) from error
    if not (platform.home / "sql" / "doctor").is_dir():
        errors.print(f"[red]no checkout in {escape(str(platform.home.resolve()))}:[/] set CLICKSTREAM_HOME to it")
        raise typer.Exit(2)
    with status("examining every part"):
        findings = examine(platform, airflow)
    faults = sum(finding.fault for finding in findings)
    if as_json:
        told = [asdict(finding) | {"fault": finding.fault} for finding in findings]
        typer.echo(json.dumps({"well": not faults, "findings": told}, indent=2))
    else:
        console.print(_table(findings))
        console.print(f"[red]{faults} fault{'s' if faults > 1 else ''}[/]" if faults else "[green]no fault found[/]")
    raise typer.Exit(1 if faults else 0)


def _airflow(platform: "Settings") -> "Callable[[], Scheduled] | None":
    """What asks the Airflow of this checkout; None where it has none."""
    from clickstream.doctor.stream import DAG, Scheduled
    from local.airflow import Airflow
    from local.layout import load

    layout = load(platform.home)
    if not (layout.secrets / "airflow_admin").exists():
        return None

    def ask() -> Scheduled:
        api = Airflow(layout)
        return Scheduled(api.is_paused(DAG), api.newest_state(DAG))

    return ask


def _table(findings: "list[Finding]") -> Table:
    """Faults first, each with its remedy below it."""
    table = Table(box=None)
    for heading in ("", "what", "found"):
        table.add_column(heading, overflow="fold")
    for finding in sorted(findings, key=lambda finding: not finding.fault):
        mark = "[red]fault[/]" if finding.fault else "[green]well[/]"
        table.add_row(mark, escape(finding.part), escape(finding.found))
        if finding.fault:
            table.add_row("", "", f"[bold]→ {escape(finding.remedy)}[/]")
    return table
