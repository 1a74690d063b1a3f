"""Funnels without a platform: check a declaration, run it over a file of events."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import psycopg
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clickstream.cli.progress import status

if TYPE_CHECKING:
    from clickstream.funnels.config import Funnel
    from clickstream.funnels.scratch import Loaded, Scratch

console = Console()
errors = Console(stderr=True)
funnel = typer.Typer(help="Funnels: check a declaration, try it over a file of events.", no_args_is_help=True)
_TOLD = 5  # refused lines that are named


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the front door."""
    app.add_typer(funnel, name="funnel")


Declaration = Annotated[Path, typer.Argument(metavar="FUNNELS.yaml", help="declared as docs/funnels.md says")]


@funnel.command()
def check(file: Declaration) -> None:
    """Validate a file of funnels; an error names file, line and funnel. Exit code 2 when something is wrong.

    Example: [bold]clickstream funnel check sql/funnels.yaml[/]
    """
    with _told_plainly():
        from clickstream.funnels.config import load_funnels

        for name, declared in load_funnels(file).items():
            steps = " > ".join(step.title for step in declared.all_steps())
            window = declared.window or "the session"
            console.print(Text(f"{name}: {declared.scope}, {declared.order}, within {window}: {steps}"), soft_wrap=True)


@funnel.command()
def run(
    file: Declaration,
    events: Annotated[Path, typer.Argument(metavar="EVENTS.jsonl", help="events of the contract; plain or .gz")],
    name: Annotated[str | None, typer.Option("--funnel", help="this one alone")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON: docs/funnels.md has its fields")] = False,
    by_day: Annotated[bool, typer.Option("--by-day", help="one funnel for each UTC day of the entry")] = False,
    users: Annotated[bool, typer.Option("--users", help="print the list behind the counts, too")] = False,
    own_server: Annotated[
        bool, typer.Option("--own-server", help="start a PostgreSQL for this run, although a platform is configured")
    ] = False,
) -> None:
    """Run funnels over a file of events by the SQL of the platform's models; the platform's data stay alone.

    Uses temporary tables of the platform's PostgreSQL (CLICKSTREAM_POSTGRES_WRITER), or of a server of its own where
    that does not answer. Refused lines are counted on stderr.

    Examples: [bold]clickstream funnel run sql/funnels.yaml events.jsonl[/],
    [bold]clickstream funnel run my.yaml events.jsonl.gz --funnel purchase --users --json[/]
    """
    with _told_plainly():
        from clickstream.funnels.config import FunnelError, load_funnels
        from clickstream.funnels.scratch import answers, scratch

        funnels = load_funnels(file)
        if name is not None:
            if name not in funnels:
                raise FunnelError(f"{file}: no funnel {name}; it has {', '.join(funnels)}")
            funnels = {name: funnels[name]}
        with status(f"{events.name} through {len(funnels)} funnels"), scratch(own_server or not answers()) as place:
            _tell(events, place.load(events))
            found = []
            for title, declared in funnels.items():
                try:
                    found.append(_Found.of(place, title, declared, by_day, users))
                except psycopg.DataError as error:
                    raise FunnelError(f"{file}: funnel {title}: PostgreSQL refuses it: {error}") from None
        if as_json:
            typer.echo(json.dumps([row for one in found for row in one.plain()], indent=2))
            return
        for one in found:
            _print(one)


class _Found(NamedTuple):
    """What a run of one funnel gives: rows of the models, by column name."""

    name: str
    steps: list[dict[str, Any]]
    times: list[dict[str, Any]]
    users: list[dict[str, Any]]

    @classmethod
    def of(cls, place: "Scratch", name: str, declared: "Funnel", by_day: bool, users: bool) -> "_Found":
        place.build(name, declared)
        steps = place.days(name) if by_day else place.over_all_days(name, declared)
        return cls(name, steps, place.times(name), place.users(name) if users else [])

    def plain(self) -> list[dict[str, Any]]:
        """As `--json` prints them, each with its kind: the steps, the classes of the times to convert, the users."""
        rows = [
            *({"kind": "step", "funnel": self.name, **row, "name": row["step_name"]} for row in self.steps),
            *({"kind": "time_to_convert", "funnel": self.name, **row} for row in self.times),
            *({"kind": "user", **row} for row in self.users),
        ]
        return [{key: _json_value(value) for key, value in row.items() if key != "step_name"} for row in rows]


def _json_value(value: Any) -> Any:
    """Times in UTC as RFC 3339, days as dates; other values as they are."""
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


def _tell(events: Path, loaded: "Loaded") -> None:
    """What the file held, on stderr."""
    errors.print(f"{loaded.events:,} events, {loaded.duplicates:,} repeats, {len(loaded.refused):,} lines refused")
    for number, reason in loaded.refused[:_TOLD]:
        errors.print(Text(f"{events}:{number}: {reason}", style="yellow"), soft_wrap=True)


def _print(found: _Found) -> None:
    if not found.steps:
        console.print(f"{found.name}: nobody entered")
        return
    parts: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in found.steps:
        day = (f"{row['day']}",) if "day" in row else ()
        dimension = () if row["breakdown"] == "(all)" else (f"{row['breakdown']}: {row['value']}",)
        parts.setdefault((found.name, *day, *dimension), []).append(row)
    for title, rows in parts.items():
        console.print(_steps_table(", ".join(title), rows))
    if found.times:
        console.print(_times_table(found))
    if found.users:
        console.print(_users_table(found))


def _steps_table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=Text(title), title_justify="left")
    table.add_column("step", no_wrap=True)
    for name in ("users", "of prev.", "of first", "median", "p90", "from first"):
        table.add_column(name, justify="right")
    for row in rows:
        shares = [row["share_of_previous"], row["share_of_first"]]
        times = [row[f"{name}_seconds"] for name in ("previous_median", "previous_p90", "first_median")]
        table.add_row(
            Text(f"{row['step']}. {row['step_name']}"), f"{row['users']:,}",
            *("-" if share is None else f"{share:.1%}" for share in shares), *map(_duration, times),
        )  # fmt: skip
    return table


def _times_table(found: _Found) -> Table:
    table = Table(title=Text(f"{found.name}, time to convert"), title_justify="left")
    for name in ("at least", "below", "users", ""):
        table.add_column(name, justify="left" if name == "" else "right")
    most = max(row["users"] for row in found.times)
    for row in found.times:
        bar = "█" * max(1, round(30 * row["users"] / most))
        table.add_row(row["at_least"], row["below"], f"{row['users']:,}", bar)
    return table


def _users_table(found: _Found) -> Table:
    table = Table(title=Text(f"{found.name}, users"), title_justify="left")
    for name in ("user", "entered at", "reached", "session", "breakdown"):
        table.add_column(name, no_wrap=name in ("entered at", "reached"))
    for row in found.users:
        session = "" if row["scope_id"] == row["user_id"] else row["scope_id"]
        of = ", ".join(f"{key}: {value}" for key, value in row["breakdown"].items())
        entered = row["entered_at"].astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        cells = (row["user_id"], entered, row["reached"], session, of)
        table.add_row(*(Text(str(cell)) for cell in cells))
    return table


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Errors that the user can mend as one message; SIGTERM ends like Ctrl-C, so that an own server is stopped."""
    from clickstream.funnels.config import FunnelError
    from local.server import NotReadyError

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        errors.print("interrupted; what was made for this run is gone")
        raise typer.Exit(130) from None
    except (FunnelError, ValidationError, OSError) as error:
        errors.print(Text(str(error), style="red"), soft_wrap=True)
        raise typer.Exit(2) from None
    except psycopg.OperationalError as error:
        message = f"PostgreSQL of CLICKSTREAM_POSTGRES_WRITER: {error}\n--own-server starts one for this run"
        errors.print(Text(message, style="red"), soft_wrap=True)
        raise typer.Exit(1) from None
    except (NotReadyError, psycopg.Error) as error:
        errors.print(Text(str(error), style="red"), soft_wrap=True)
        raise typer.Exit(1) from None
    finally:
        signal.signal(signal.SIGTERM, before)
