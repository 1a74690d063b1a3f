"""The stream's rules over files of events: sessions, journeys and the contract, without a platform."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from clickstream.cli.progress import BYTES, progress
from clickstream.settings import settings

if TYPE_CHECKING:
    import polars as pl

    from clickstream.files.read import FileEvents

errors = Console(stderr=True)

Files = Annotated[
    list[str],
    typer.Argument(help="JSON lines, one event a line, plain or gzip; - for standard input", show_default=False),
]
Gap = Annotated[
    int | None,
    typer.Option(
        min=1, help="seconds without an event after which a session is over [CLICKSTREAM_SESSION_GAP_SECONDS]"
    ),
]
Limit = Annotated[int | None, typer.Option(min=0, help="rows to show; if not given, 20 in a table, all in JSON")]


def _moment(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; like 2026-11-20T08:00:00Z") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


Now = Annotated[
    datetime | None,
    typer.Option(
        parser=_moment,
        metavar="TIME",
        help="stands for the Kafka time; events more than 5 minutes after it [CLICKSTREAM_FUTURE_TOLERANCE_SECONDS] "
        "are refused as future; if not given, the clock",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the front door."""
    app.command()(sessions)
    app.command()(journeys)
    app.command()(validate)


def sessions(files: Files, gap: Gap = None, now: Now = None, limit: Limit = None, as_json: AsJson = False) -> None:
    """Show the sessions of the events in files, as the stream would make them. Needs no platform.

    What the contract refuses and what is repeated is left out and counted on stderr.

    Examples: [bold]clickstream sessions events.jsonl[/],
    [bold]zcat day.jsonl.gz | clickstream sessions --gap 900 --json - | jq '.\\[0]'[/]
    """
    with _told_plainly(), _reading(files) as read:
        from clickstream.cli.files_view import print_list, print_sessions, session_documents
        from clickstream.sessions import session_rows

        rows = session_rows(_folded(files, gap, now, read)).sort("user_id", "started_ms")
    if as_json:
        print_list(session_documents(rows.head(limit) if limit is not None else rows))
    else:
        print_sessions(rows, limit)


def journeys(
    files: Files,
    top: Annotated[int, typer.Option(min=1, help="labels of a step that are shown; the rest is (other)")] = 20,
    full: Annotated[bool, typer.Option("--full", help="every label")] = False,
    by_day: Annotated[bool, typer.Option("--by-day", help="each UTC day apart, by the session's start")] = False,
    paths: Annotated[bool, typer.Option("--paths", help="label steps by page path, not by page group")] = False,
    gap: Gap = None,
    now: Now = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Show how people go from page to page in the first steps of their sessions. Needs no platform.

    Top labels and shares are of all sessions in the files, or of each day. Bots and quarantined sessions are left out.
    Shares: of the sessions at the source, of those at the step, of all.

    Examples: [bold]clickstream journeys events.jsonl[/],
    [bold]clickstream journeys --by-day --full --json monday.jsonl.gz tuesday.jsonl.gz[/]
    """
    with _told_plainly(), _reading(files) as read:
        from clickstream.cli.files_view import journey_documents, print_journeys, print_list
        from clickstream.flow import flow
        from clickstream.journeys import step_label, transitions
        from clickstream.sessions import judged

        rows = judged(_folded(files, gap, now, read))
        links = transitions(rows, str if paths else step_label)
        links = flow(links, None if full else top, by=("day_ms",) if by_day else ())
    if as_json:
        print_list(journey_documents(links.head(limit) if limit is not None else links))
    else:
        print_journeys(links, limit)


def validate(files: Files, now: Now = None, limit: Limit = None, as_json: AsJson = False) -> None:
    """Check every line of files against the contract; the exit code is 1 when one is refused. Needs no platform.

    Events that are repeated word for word are no fault. Lines of white space alone are passed over.

    Examples: [bold]clickstream validate events.jsonl[/], [bold]clickstream validate --json - < events.jsonl[/]
    """
    with _told_plainly(), _reading(files) as read:
        from clickstream.cli.files_view import print_validation, validation_document
        from clickstream.files.decode import EVENT_KEYS

        found = _read(files, EVENT_KEYS, now, read)
    if as_json:
        typer.echo(json.dumps(validation_document(found, limit), indent=2, ensure_ascii=False))
    else:
        print_validation(found, limit)
    raise typer.Exit(1 if found.rejected else 0)


def _folded(files: Sequence[str], gap: int | None, now: datetime | None, read: Callable[[int], None]) -> "pl.DataFrame":
    """The fragments of all events at once, which are whole sessions; tells on stderr what is not in them."""
    from clickstream.cli.files_view import account
    from clickstream.files.decode import SESSION_COLUMNS
    from clickstream.sessions import fragments

    found = _read(files, SESSION_COLUMNS, now, read)
    if found.accepted < found.read:
        errors.print(f"{account(found)}; clickstream validate tells which", markup=False, soft_wrap=True)
    return fragments(found.events, (gap or settings().session_gap_seconds) * 1_000)


def _read(
    files: Sequence[str], columns: Sequence[str], now: datetime | None, read: Callable[[int], None]
) -> "FileEvents":
    from clickstream.files.decode import Reading
    from clickstream.files.read import read_events

    tolerance_ms = settings().future_tolerance_seconds * 1_000
    now_ms = int((now.timestamp() if now else time.time()) * 1_000)
    return read_events(files, Reading(now_ms, tolerance_ms, columns), read)


@contextmanager
def _reading(files: Sequence[str]) -> Iterator[Callable[[int], None]]:
    """Call with the bytes read so far."""
    from clickstream.files.lines import total_bytes

    with progress("read", total_bytes(files) or None, BYTES) as bar:
        yield bar.to


@contextmanager
def _told_plainly() -> Iterator[None]:
    """What the user can mend as one message and exit code 2, without a traceback."""
    from concurrent.futures.process import BrokenProcessPool

    from clickstream.cli.dead_letters_view import complain
    from clickstream.enrich.page_groups import PageGroupsError
    from clickstream.replay import ReplayError

    try:
        yield
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        complain(f"settings: {problems}")
        raise typer.Exit(2) from None
    except (PageGroupsError, ReplayError, OSError) as error:
        complain(str(error))
        raise typer.Exit(2) from None
    except BrokenProcessPool:
        complain("a worker process was killed: is there too little memory? Cut the file into pieces by user")
        raise typer.Exit(1) from None
