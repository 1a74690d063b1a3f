"""How sessions, journeys and refused lines look: as JSON for programs, as tables for people."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clickstream.dead_letters.payloads import visible
from clickstream.files.read import FileEvents
from clickstream.journeys import collapsed
from clickstream.sessions import COUNTS, FIRST_TIMES, FIRST_TOUCH
from clickstream.slice import MONEY_UNITS

_ROWS = 20  # in a table, when not asked otherwise
_ROWS_AT_ONCE = 1_000
_PIPE_WIDTH = 200  # a table in a pipe has no window to fit
_UUID_PARTS = r"^(.{8})(.{4})(.{4})(.{4})(.{12})$"


def session_documents(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `sessions.session_rows` as users read them: times as RFC 3339, money in units, ids as text, immediate
    repeats of a page left out of `path`."""
    pages = collapsed(rows).group_by("row").agg(pl.col("page"))
    no_pages = pl.lit([], dtype=pl.List(pl.String))
    numbered = rows.drop("path").with_row_index("row").join(pages, on="row", how="left", maintain_order="left")
    return numbered.select(
        pl.col("session_id").bin.encode("hex").str.replace(_UUID_PARTS, "${1}-${2}-${3}-${4}-${5}"),
        "user_id",
        _rfc3339("started_ms"),
        _rfc3339("ended_ms"),
        "events",
        *COUNTS,
        (pl.col("revenue_e4") / MONEY_UNITS).round(4).alias("revenue"),  # Polars divides by multiplying: not exact
        "entry_page",
        "exit_page",
        pl.col("page").fill_null(no_pages).alias("path"),
        "engaged",
        (~pl.col("engaged")).alias("bounce"),
        "converted",
        "quarantined",
        "bot",
        *FIRST_TOUCH,
        "client_session_min",
        "client_session_max",
        *map(_rfc3339, FIRST_TIMES),
    )


def journey_documents(links: pl.DataFrame) -> pl.DataFrame:
    """Links of `flow.flow` with shares of six digits and, where they are by day_ms, the day as a date."""
    days = [pl.from_epoch("day_ms", "ms").dt.strftime("%Y-%m-%d").alias("day")] if "day_ms" in links.columns else []
    return links.select(*days, pl.exclude("day_ms", "^share_.*$"), pl.col("^share_.*$").round(6))


def print_list(rows: pl.DataFrame) -> None:
    """A JSON list, one object a line; a reader that goes away is noticed between two pieces."""
    typer.echo("[", nl=False)
    for number, piece in enumerate(rows.iter_slices(_ROWS_AT_ONCE)):
        lines = piece.write_ndjson().rstrip("\n")  # a line end inside a text is an escape
        typer.echo(",\n" * bool(number) + lines.replace("\n", ",\n"), nl=False)
    typer.echo("]")


def print_sessions(rows: pl.DataFrame, limit: int | None) -> None:
    """Sessions as a table: what one looks for first; the JSON has every field."""
    table = _table(
        ("user", "started", "seconds", "events", "views", "path", "result", "revenue", "channel", "device", "bot"),
        to_the_right=("seconds", "events", "views", "revenue"),
    )
    shown = rows.head(_ROWS if limit is None else limit)
    lasted = (shown["ended_ms"] - shown["started_ms"]).to_list()
    for session, lasted_ms in zip(session_documents(shown).iter_rows(named=True), lasted, strict=True):
        result = "converted" if session["converted"] else "engaged" if session["engaged"] else "bounce"
        _add(
            table, session["user_id"], session["started_at"], f"{lasted_ms / 1_000:,.0f}", f"{session['events']:,}",
            f"{session['page_views']:,}", " → ".join(session["path"]), result, f"{session['revenue']:,.2f}",
            session["channel"], session["device"], session["bot"] or "",
        )  # fmt: skip
    _print(table, len(shown), len(rows), "sessions")


def print_journeys(links: pl.DataFrame, limit: int | None) -> None:
    """Links of a flow chart as a table."""
    shares = ("of source", "of step", "of all")
    days = ("day",) if "day_ms" in links.columns else ()
    headings = (*days, "step", "source", "target", "sessions", *shares)
    table = _table(headings, to_the_right=("step", "sessions", *shares))
    shown = links.head(_ROWS if limit is None else limit)
    for row in journey_documents(shown).iter_rows():
        *place, sessions, of_source, of_step, of_all = row
        _add(table, *map(str, place), f"{sessions:,}", f"{of_source:.1%}", f"{of_step:.1%}", f"{of_all:.1%}")
    _print(table, len(shown), len(links), "links")


def print_validation(found: FileEvents, limit: int | None) -> None:
    """What became of the lines, and the refused ones as a table."""
    _console().print(Text(account(found)), soft_wrap=True)
    if found.rejected:
        table = _table(("file", "line", "reason", "detail"), to_the_right=("line",))
        shown = found.refused.head(_ROWS if limit is None else limit)
        for file, line, reason, detail in shown.iter_rows():
            _add(table, file, f"{line:,}", reason, detail)
        _print(table, len(shown), found.rejected, "refused lines")


def validation_document(found: FileEvents, limit: int | None) -> dict[str, Any]:
    """The same as a JSON object."""
    return {
        "read": found.read,
        "accepted": found.accepted,
        "duplicate": found.duplicate,
        "rejected": found.rejected,
        "reasons": dict(_reasons(found)),
        "refused": found.refused.head(found.rejected if limit is None else limit).to_dicts(),
    }


def account(found: FileEvents) -> str:
    """What became of the lines, in one sentence."""
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in _reasons(found))
    rejected = f"{found.rejected:,} refused" + (f" ({reasons})" if reasons else "")
    return f"{found.read:,} lines read: {found.accepted:,} accepted, {found.duplicate:,} repeated, {rejected}"


def _reasons(found: FileEvents) -> list[tuple[str, int]]:
    """How many lines by reason, most first."""
    counted = found.refused.group_by("reason").len()
    return counted.sort("len", "reason", descending=[True, False]).rows()


def _rfc3339(name: str) -> pl.Expr:
    """A column of Unix milliseconds (…_ms) as text (…_at)."""
    time = pl.from_epoch(name, "ms").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
    return time.alias(name.removesuffix("_ms") + "_at")


def _table(headings: Sequence[str], to_the_right: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        number = heading in to_the_right
        table.add_column(heading, justify="right" if number else "left", no_wrap=True, overflow="ellipsis")
    return table


def _add(table: Table, *cells: str) -> None:
    # What came from outside can neither command the terminal nor be taken for Rich's markup.
    table.add_row(*(Text(visible(cell)) for cell in cells))


def _print(table: Table, shown: int, total: int, what: str) -> None:
    console = _console()
    console.print(table)
    if shown < total:
        console.print(f"{shown:,} of {total:,} {what}; more by --limit, all by --json")


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_PIPE_WIDTH)
