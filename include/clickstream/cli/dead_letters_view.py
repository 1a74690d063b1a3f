"""How `clickstream dead-letters` looks: tables of letters, one letter, the account of a replay.

Everything that came from outside is made visible first and printed as `Text`: a payload can neither command the
terminal nor be taken for Rich's markup.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg
import typer
from psycopg import errors
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clickstream.cli.progress import progress
from clickstream.dead_letters.payloads import head, json_line, pretty, visible

if TYPE_CHECKING:
    from clickstream.dead_letters.letters import Letter, ReasonCount
    from clickstream.dead_letters.replay import Outcome

_TOLD = 20  # outcomes in a table; the rest is counted
_PIPE_WIDTH = 200  # a table in a pipe has no window to fit


def complain(message: str) -> None:
    """An error, to stderr."""
    Console(stderr=True).print(Text("\n".join(map(visible, message.splitlines())), style="red"), soft_wrap=True)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Errors that the user can mend as one message, without a traceback; Ctrl-C is 130."""
    from clickstream.delivery import DeliveryIncomplete, KafkaUnavailable
    from clickstream.stopping import Stopped

    try:
        yield
    except Stopped as stopped:
        complain(str(stopped))
        raise typer.Exit(stopped.exit_code) from None
    except KeyboardInterrupt:
        complain("interrupted")
        raise typer.Exit(130) from None
    except BrokenPipeError:
        raise
    except errors.UndefinedColumn as error:
        complain(f"the database's schema is older than this program: clickstream db migrate ({error})")
        raise typer.Exit(1) from None
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        complain(f"settings: {problems}")
        raise typer.Exit(2) from None
    except (DeliveryIncomplete, KafkaUnavailable, psycopg.Error, ValueError, OSError) as error:
        complain(str(error))
        raise typer.Exit(1) from None


def print_list(summary: "list[ReasonCount]", letters: "list[Letter]") -> None:
    """Letters as a table, and how many there are by reason."""
    console = _console()
    if not letters:
        console.print("no dead letters match")
        return
    table = _table("place", "Kafka time", "reason", "detail", "first bytes")
    for letter in letters:
        reason = f"{letter.reason}, replayed" if letter.replayed_at else letter.reason
        _add(table, str(letter.place), _time(letter.kafka_time), reason, letter.detail, head(letter.payload))
    console.print(table)
    counts = _table("reason", "letters", "replayed", "first", "last")
    for count in summary:
        _add(counts, count.reason, f"{count.letters:,}", f"{count.replayed:,}", _time(count.first), _time(count.last))
    console.print(counts)
    total = sum(count.letters for count in summary)
    if total > len(letters):
        console.print(f"the newest {len(letters):,} of {total:,}; more by --limit")


def print_letter(letter: "Letter") -> None:
    """Everything about one letter."""
    console = _console()
    size = "no value (a tombstone)" if letter.payload is None else f"{len(letter.payload):,} bytes"
    sent = f"{_time(letter.replayed_at)} as event {letter.replayed_event_id}" if letter.replayed_at else "not yet"
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in (
        ("place", str(letter.place)),
        ("Kafka time", _time(letter.kafka_time)),
        ("refused at", _time(letter.created_at)),
        ("reason", letter.reason),
        ("detail", letter.detail),
        ("replayed", sent),
        ("payload", size),
    ):
        _add(table, name, value)
    console.print(table)
    console.print(Text("\n" + pretty(letter.payload)), soft_wrap=True)


class Tally:
    """The account of a replay: counts by state and by reason, the first outcomes in full, or all as JSON lines."""

    def __init__(self, as_json: bool, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._as_json = as_json
        self._told: dict[str, list[Outcome]] = {"sent": [], "refused": []}

    def follow(self, pages: "Iterator[list[Outcome]]", total: int | None) -> None:
        """Take the outcomes as they come, with a bar on stderr; in the end, whatever ends it, print the account."""
        try:
            with progress("replay", total, "letters") as bar:
                for page in pages:
                    for outcome in page:
                        self._add(outcome)
                    bar.add(len(page))
        finally:
            self._print()

    def _add(self, outcome: "Outcome") -> None:
        self.counts[outcome.state] += 1
        if outcome.reason:
            self._reasons[outcome.reason] += 1
        if self._as_json:
            state = "would_be_sent" if self.dry_run and outcome.state == "sent" else outcome.state
            event_id = str(outcome.event_id) if outcome.event_id else None
            typer.echo(json_line({**outcome._asdict(), "state": state, "event_id": event_id}))
        elif len(told := self._told.get(outcome.state, [])) < _TOLD:
            told.append(outcome)

    def _print(self) -> None:
        console = Console(stderr=True) if self._as_json else _console()
        sent = "would be sent" if self.dry_run else "sent"
        if self.dry_run and self._told["sent"]:
            console.print(self._table(sent, "event_id", [(o, str(o.event_id)) for o in self._told["sent"]]))
        if self._told["refused"]:
            refused = [(o, f"{o.reason}: {o.detail}") for o in self._told["refused"]]
            console.print(self._table("refused", "why", refused))
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in self._reasons.most_common())
        parts = [f"{self.counts['sent']:,} {sent}", f"{self.counts['refused']:,} refused"]
        parts[1] += f" ({reasons})" if reasons else ""
        if self.counts["skipped"]:
            parts.append(f"{self.counts['skipped']:,} skipped (sent back before; --again sends them anew)")
        console.print(Text(", ".join(parts) if self.counts else "no dead letters to send back"), soft_wrap=True)

    def _table(self, state: str, heading: str, rows: "list[tuple[Outcome, str]]") -> Table:
        table = _table(state, heading)
        for outcome, text in rows:
            _add(table, outcome.name, text)
        more = self.counts[rows[0][0].state] - len(rows)
        if more:
            _add(table, "…", f"{more:,} more (--json tells all)")
        return table


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_PIPE_WIDTH)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        narrow = heading in ("place", "Kafka time", "first", "last", "letters", "replayed")
        table.add_column(heading, no_wrap=narrow, overflow="fold")
    return table


def _add(table: Table, *cells: str) -> None:
    table.add_row(*(Text(visible(cell)) for cell in cells))


def _time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(" ", "milliseconds").replace("+00:00", "Z")
