"""`clickstream dead-letters`: look at what the stream refused, mend it, send it back."""

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clickstream.cli import dead_letters_view as view
from clickstream.cli.progress import progress
from clickstream.contract import Reason
from clickstream.dead_letters.letters import Filter, Place
from clickstream.dead_letters.mend import Mends
from clickstream.dead_letters.payloads import exported, json_line
from clickstream.settings import settings

if TYPE_CHECKING:
    from clickstream.dead_letters.store import Store

_SHOWN = 50  # letters in a table

app = typer.Typer(help="What the stream refused: list, show, mend and replay.", no_args_is_help=True)

Reasons = Annotated[list[Reason] | None, typer.Option("--reason", help="only this reason; may be repeated")]
Since = Annotated[str | None, typer.Option(help="first Kafka time: RFC 3339 or a date; UTC when no zone is given")]
Until = Annotated[str | None, typer.Option(help="end of the Kafka times, exclusive")]
Topic = Annotated[str | None, typer.Option(help="only records of this topic")]
Partition = Annotated[int | None, typer.Option(min=0, help="only records of this partition")]
Contains = Annotated[str | None, typer.Option(metavar="TEXT", help="only where the detail has this text")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table")]


def register(front: typer.Typer) -> None:
    """Add the commands of this module to the front door."""
    front.add_typer(app, name="dead-letters")


@app.command("list")
def list_letters(
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    topic: Topic = None,
    partition: Partition = None,
    contains: Contains = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"the newest so many (left out: {_SHOWN}; with --json or --export all)")
    ] = None,
    pending: Annotated[bool, typer.Option("--pending", help="only those that were not sent back yet")] = False,
    as_json: AsJson = False,
    export: Annotated[
        Path | None,
        typer.Option(dir_okay=False, allow_dash=True, help="write JSON lines to edit and replay --from; - is stdout"),
    ] = None,
) -> None:
    """List dead letters, newest first, with a summary by reason.

    Examples: [bold]clickstream dead-letters list --reason contract --contains user_id[/],
    [bold]clickstream dead-letters list --since 2026-11-20 --pending --export letters.jsonl[/],
    [bold]clickstream dead-letters list --json | jq -r '.[].detail'[/]
    """
    if as_json and export:
        raise typer.BadParameter("is JSON lines already; leave --json out", param_hint="--export")
    wanted = _filter(reason, since, until, topic, partition, contains, pending)
    with view.told_plainly(), _store() as store:
        if export:
            _export(store, wanted, limit, export)
        elif as_json:
            separator = "["
            for page in store.pages(wanted, limit):
                for letter in page:
                    typer.echo(separator + json_line(exported(letter)), nl=False)
                    separator = ",\n"
            typer.echo("[]" if separator == "[" else "]")
        else:
            letters = [letter for page in store.pages(wanted, limit or _SHOWN) for letter in page]
            view.print_list(store.summary(wanted), letters)


@app.command()
def show(
    place: Annotated[str, typer.Argument(metavar="TOPIC/PARTITION/OFFSET", help="as list prints it")],
    raw: Annotated[bool, typer.Option("--raw", help="only the payload, as the bytes that came")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter with its whole payload.

    Examples: [bold]clickstream dead-letters show clickstream.events/0/1234[/],
    [bold]clickstream dead-letters show clickstream.events/0/1234 --raw | xxd[/]
    """
    try:
        wanted = Place.parse(place)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="TOPIC/PARTITION/OFFSET") from None
    with view.told_plainly(), _store() as store:
        letter = store.at([wanted]).get(wanted)
        if letter is None:
            raise ValueError(f"there is no dead letter at {wanted}: clickstream dead-letters list")
    if raw:
        typer.echo(letter.payload or b"", nl=False)
    elif as_json:
        typer.echo(json_line(exported(letter)))
    else:
        view.print_letter(letter)


@app.command()
def replay(
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    topic: Topic = None,
    partition: Partition = None,
    contains: Contains = None,
    limit: Annotated[int | None, typer.Option(min=1, help="the newest so many (left out: all)")] = None,
    rename: Annotated[list[str] | None, typer.Option(metavar="OLD=NEW", help="rename a field; first")] = None,
    unset: Annotated[list[str] | None, typer.Option(metavar="FIELD", help="take a field away; second")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=JSON", help="set a field; last")] = None,
    edited: Annotated[
        typer.FileBinaryRead | None, typer.Option("--from", help="an edited export (JSON lines); - is stdin")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="also those that were sent back before")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="tell what would be sent; change nothing")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON line for each letter instead of tables")] = False,
) -> None:
    """Send dead letters back through the contract, mended as asked.

    What the contract still refuses is told and stays. An event without a usable event_id gets one made from its
    place. Again, it changes nothing: what was sent is marked, and sent twice it would be a duplicate. FIELD may be a
    path (properties.price). Exit code 0: all were sent; 1: something was refused or not sent; 2: wrong usage.

    Examples: [bold]clickstream dead-letters replay --reason future[/],
    [bold]clickstream dead-letters replay --contains user_id --rename userId=user_id --dry-run[/],
    [bold]clickstream dead-letters replay --reason conflict --unset event_id[/],
    [bold]clickstream dead-letters replay --contains price --set properties.price=9.5[/],
    [bold]clickstream dead-letters replay --from letters.jsonl[/]
    """
    filters = (reason, since, until, topic, partition, contains)
    mending = (rename, unset, set_)
    if edited and any(given not in (None, []) for given in (*filters, *mending, limit)):
        raise typer.BadParameter(
            "names letters and payloads itself: no filters or changes beside it", param_hint="--from"
        )
    wanted = _filter(*filters, pending=not again)
    try:
        mends = Mends.parse(rename or [], unset or [], set_ or [])
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    tally = view.Tally(as_json, dry_run)
    with view.told_plainly():
        _replay(wanted, limit, mends, edited, again, tally)
    raise typer.Exit(1 if tally.counts["refused"] else 0)


def _store(writes: bool = False) -> "Store":
    """The warehouse by the role that suffices. Imported here: its libraries would slow every other command."""
    from clickstream.dead_letters.store import Store

    platform = settings()
    return Store((platform.postgres_writer if writes else platform.postgres_reader).get_secret_value())


def _replay(
    wanted: Filter, limit: int | None, mends: Mends, edited: typer.FileBinaryRead | None, again: bool, tally: view.Tally
) -> None:
    from clickstream.dead_letters.replay import Delivery, edited_letters, mended_letters
    from clickstream.dead_letters.replay import replay as replay_pages
    from clickstream.delivery import ProducerOptions, Sender, ensure_topic
    from clickstream.stopping import Stopped, stop_flag

    platform = settings()
    tolerance_ms = platform.future_tolerance_seconds * 1_000
    with ExitStack() as stack:
        stop = stack.enter_context(stop_flag())
        store = stack.enter_context(_store(writes=not tally.dry_run))
        if edited:
            pages, total = edited_letters(store, edited), None
        else:
            pages, total = mended_letters(store, wanted, limit, mends), _total(store, wanted, limit)
        if tally.dry_run:
            tally.follow(replay_pages(pages, None, tolerance_ms, again, stop, store.oldest_ms()), total)
            if stop:
                raise Stopped(stop.signum, "stopped by a signal")
            return
        connection = {"bootstrap.servers": platform.kafka_bootstrap}
        ensure_topic(connection, platform)
        spool = platform.state_dir / "spool"
        sender = stack.enter_context(Sender(connection, platform.topic, spool, ProducerOptions()))
        sender.send_spool(stop)
        delivery = Delivery(sender, store)
        tally.follow(replay_pages(pages, delivery, tolerance_ms, again, stop, store.oldest_ms()), total)
        sender.settle(stop)


def _export(store: "Store", wanted: Filter, limit: int | None, file: Path) -> None:
    """JSON lines; a file appears when it is whole, readable by its owner alone."""
    pages = store.pages(wanted, limit)
    if str(file) == "-":
        for page in pages:
            for letter in page:
                typer.echo(json_line(exported(letter)))
        return
    total = _total(store, wanted, limit)
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    try:
        with part.open("w", encoding="utf-8") as output, progress("export", total, "letters") as bar:
            for page in pages:
                output.writelines(json_line(exported(letter)) + "\n" for letter in page)
                bar.add(len(page))
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _total(store: "Store", wanted: Filter, limit: int | None) -> int:
    total = sum(count.letters for count in store.summary(wanted))
    return total if limit is None else min(limit, total)


def _filter(
    reasons: list[Reason] | None,
    since: str | None,
    until: str | None,
    topic: str | None,
    partition: int | None,
    contains: str | None,
    pending: bool,
) -> Filter:
    return Filter(
        [str(reason) for reason in reasons] if reasons else None,
        _time(since, "--since"),
        _time(until, "--until"),
        topic,
        partition,
        contains,
        pending,
    )


def _time(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        like = "like 2026-11-20 or 2026-11-20T08:00:00Z"
        raise typer.BadParameter(f"{text!r} is no time; {like}", param_hint=option) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
