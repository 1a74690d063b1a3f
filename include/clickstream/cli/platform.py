"""The platform on this machine: start, stop, look at, remove; and its database's roles and schema."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import psycopg
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clickstream.cli import progress

if TYPE_CHECKING:
    from local.health import Status
    from local.layout import Layout

console = Console()
errors = Console(stderr=True)
database = typer.Typer(help="PostgreSQL's roles and schema.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the front door."""
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.command()(logs)
    app.command()(clean)
    app.add_typer(database, name="db")


def up() -> None:
    """Start everything and wait until figures move. Run again, it changes nothing.

    Example: [bold]clickstream up[/]
    """
    from local import start
    from local.steps import Steps

    with _told_plainly():
        layout = _layout()
        start.up(layout, Steps())
        print(_what_is_where(layout))


def down() -> None:
    """Stop everything in good order; all data stay.

    Example: [bold]clickstream down[/]
    """
    from local import stop
    from local.steps import Steps

    with _told_plainly():
        stop.down(_layout(), Steps())


def status(
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")] = False,
) -> None:
    """Ask every service whether it is well; the exit code is 1 when one is not.

    Examples: [bold]clickstream status[/], [bold]clickstream status --json | jq .healthy[/]
    """
    from local import health, passwords
    from local.servers import Servers

    with _told_plainly():
        layout = _layout()
        with progress.status("asking every service"):
            found = health.status(layout, Servers.of(layout, passwords.ensure(layout.secrets)))
    if as_json:
        print(json.dumps(found.as_dict(), indent=2))
    else:
        console.print(_status_table(found))
        total = sum(found.memory_mb.values())
        parts = ", ".join(f"{name} {size}" for name, size in sorted(found.memory_mb.items(), key=lambda item: -item[1]))
        console.print(f"memory {total:,} MB: {parts}" if total else "nothing runs")
    raise typer.Exit(0 if found.healthy else 1)


def logs(
    service: Annotated[str | None, typer.Argument(help="one service; all when left out")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on until Ctrl-C")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="how many of the last lines")] = 50,
) -> None:
    """Show the last lines of the services' logs (of tasks: in Airflow, or .local/log/airflow).

    Examples: [bold]clickstream logs kafka[/], [bold]clickstream logs -f[/]
    """
    with _told_plainly():
        directory = _layout().logs
        known = sorted(file.stem for file in directory.glob("*.log"))
        if service is not None and service not in known:
            raise ValueError(f"no log of {service!r}; there are: {', '.join(known) or 'none yet'}")
        files = [str(directory / f"{name}.log") for name in ([service] if service else known)]
        if not files:
            raise ValueError(f"no logs in {directory} yet: make up")
        # -F: a log that is rotated away is followed in its successor.
        subprocess.run(["tail", f"--lines={lines}", *(["-F"] if follow else []), *files], check=False)


def clean(yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False) -> None:
    """Remove .local/: all data, secrets and environments. Refuses while the platform runs.

    Example: [bold]clickstream clean[/]
    """
    from local import stop

    with _told_plainly():
        layout = _layout()
        if not yes:
            typer.confirm(f"Remove {layout.state} with all events, passwords and environments?", abort=True)
        stop.clean(layout)
        print(f"removed {layout.state}")  # rich would import more of itself, which is gone by now


@database.command("init")
def db_init() -> None:
    """Make roles and databases, give roles their passwords, close what PUBLIC may do. Changes nothing twice.

    Example: [bold]clickstream db init[/]
    """
    from local import passwords, start
    from local.servers import Servers

    with _told_plainly():
        layout = _layout()
        start.create_roles(layout, Servers.of(layout, passwords.ensure(layout.secrets)))
        console.print("roles and databases are as they should be")


@database.command("migrate")
def db_migrate() -> None:
    """Apply the schema's new migrations (sql/schema) as the owner.

    Example: [bold]clickstream db migrate[/]
    """
    from clickstream.settings import settings
    from clickstream.warehouse.migrations import migrate

    with _told_plainly():
        applied = migrate(settings().postgres_owner.get_secret_value(), settings().home / "sql" / "schema")
        console.print("applied " + ", ".join(applied) if applied else "nothing to apply")


def _layout() -> "Layout":
    from clickstream.settings import settings
    from local.layout import load

    return load(settings().home)


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Expected failures are one message and exit code 1; Ctrl-C is 130."""
    try:
        yield
    except KeyboardInterrupt:
        errors.print("interrupted")
        raise typer.Exit(130) from None
    except (RuntimeError, ValueError, OSError, psycopg.Error) as error:
        errors.print(f"[red]error:[/] {escape(str(error))}")
        raise typer.Exit(1) from error


def _status_table(found: "Status") -> Table:
    table = Table(box=None)
    for heading in ("", "what", "found"):
        table.add_column(heading)
    for check in found.checks:
        table.add_row("[green]well[/]" if check.healthy else "[red]not well[/]", check.name, escape(check.detail))
    return table


def _what_is_where(layout: "Layout") -> str:
    """Addresses, user names and the files of their passwords; never a password."""
    from local.environment import AIRFLOW_USER, SUPERSET_USER
    from local.server import LOOPBACK

    ports = layout.ports
    dashboard = f"http://{LOOPBACK}:{ports['SUPERSET']}/superset/dashboard/clickstream-live/"
    rows = (
        ("dashboard (Superset)", dashboard, SUPERSET_USER, "superset_admin"),
        ("Airflow", f"http://{LOOPBACK}:{ports['AIRFLOW']}", AIRFLOW_USER, "airflow_admin"),
        ("live page, in Airflow", f"http://{LOOPBACK}:{ports['AIRFLOW']}/plugin/clickstream", "", ""),
        ("PostgreSQL", f"{LOOPBACK}:{ports['POSTGRES']}/clickstream", "clickstream_reader", "clickstream_reader"),
        ("Redis", f"{LOOPBACK}:{ports['REDIS']}", "(none)", "redis"),
        ("Kafka", f"{LOOPBACK}:{ports['KAFKA']}", "", ""),
        ("Spark, while it streams", f"http://{LOOPBACK}:{ports['SPARK_UI']}", "", ""),
    )
    lines = ["", "Everything runs. What is where:"]
    for what, address, user, secret in rows:
        lines.append(f"  {what:<25}{address}")
        if secret:
            file = (layout.secrets / secret).relative_to(layout.root)
            lines.append(f"  {'':<25}user {user}, password: cat {file}")
    return "\n".join([*lines, "", "Next: make status, make logs, make down"])
