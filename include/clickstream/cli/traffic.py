"""Events into Kafka by hand: simulated history, and real traffic from files."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from clickstream.cli.progress import BYTES, progress
from clickstream.settings import Settings, settings

if TYPE_CHECKING:
    from clickstream.delivery import Sender
    from clickstream.erasure.tombstones import Tombstones
    from clickstream.stopping import StopFlag

console = Console()
errors = Console(stderr=True)
_HANDFUL = 1_000  # lines that are sent at once


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the front door."""
    app.command()(generate)
    app.command()(replay)


def generate(
    begin: Annotated[str, typer.Option("--from", help="first moment, RFC 3339; UTC when no zone is given")],
    end: Annotated[str, typer.Option("--to", help="end, exclusive; not in the future")],
    rate: Annotated[float | None, typer.Option(help="average records/s [CLICKSTREAM_GENERATOR_RATE]")] = None,
    seed: Annotated[int | None, typer.Option(help="same seed, same records [CLICKSTREAM_GENERATOR_SEED]")] = None,
    users: Annotated[int | None, typer.Option(help="people who may come [CLICKSTREAM_GENERATOR_USERS]")] = None,
    duplicates: Annotated[float | None, typer.Option(help="share of events sent twice, 0 to 1")] = None,
    malformed: Annotated[float | None, typer.Option(help="share of broken records, 0 to 1")] = None,
    late: Annotated[float | None, typer.Option(help="share of sessions that go offline, 0 to 1")] = None,
    bots: Annotated[float | None, typer.Option(help="share of sessions of bots, 0 to 1")] = None,
    anomalies: Annotated[int | None, typer.Option(help="injected incidents a day")] = None,
) -> None:
    """Make simulated history and send it to Kafka as fast as it goes (header source: backfill).

    The same window, seed and options make the same records again; the stream stores each of them once.

    Examples: [bold]clickstream generate --from 2026-11-01 --to 2026-11-08[/],
    [bold]clickstream generate --from 2026-11-20T08:00Z --to 2026-11-20T09:00Z --rate 1000 --seed 7[/]
    """
    from clickstream.generator import GeneratorOptions
    from clickstream.producer import run_window

    given = {
        "rate": rate, "seed": seed, "users": users, "duplicate_share": duplicates, "malformed_share": malformed,
        "late_share": late, "bot_share": bots, "anomalies_per_day": anomalies,
    }  # fmt: skip
    start, stop_at = _time(begin, "--from"), _time(end, "--to")
    if start >= stop_at:
        raise typer.BadParameter("the end is not after the beginning", param_hint="--to")
    if stop_at > datetime.now(UTC):
        raise typer.BadParameter("lies in the future; what is to come is made by the DAG", param_hint="--to")
    with _told_plainly():
        options = GeneratorOptions.model_validate(
            GeneratorOptions().model_dump() | {name: value for name, value in given.items() if value is not None}
        )
        connection = {"bootstrap.servers": settings().kafka_bootstrap}
        expected = int((stop_at - start).total_seconds() * options.rate)
        with progress("generate", expected, "records") as bar:
            share = (stop_at - start).total_seconds() * 1_000
            sent = 0

            def produced(records: int, upto_ms: int) -> None:
                nonlocal sent
                sent += records
                done = (upto_ms - start.timestamp() * 1_000) / share
                total = max(sent, round(sent / done)) if done > 0.02 else expected
                bar.to(sent, total)

            report = run_window(connection, start, stop_at, options=options, progress=produced)
        console.print(f"{start.isoformat()} to {stop_at.isoformat()}: {report}", soft_wrap=True)


def replay(
    files: Annotated[list[Path], typer.Argument(help="combined access logs or JSON lines of events; plain or .gz")],
    site: Annotated[
        str | None,
        typer.Option(help="where a log is from, as https://example.org; found out from referrers if not given"),
    ] = None,
) -> None:
    """Send real traffic with its original times (header source: replay). Again, it changes nothing.

    A user is a keyed hash of address and agent; addresses are never stored. Users who were erased are left out, which
    PostgreSQL is asked for. Refused lines go to FILE.rejected with number and reason.

    Examples: [bold]clickstream replay access.log.gz[/],
    [bold]clickstream replay --site https://example.org access.log access.log.1.gz[/]
    """
    from clickstream.delivery import ProducerOptions, Sender, ensure_topic
    from clickstream.stopping import stop_flag

    with _told_plainly():
        platform = settings()
        sites = [_site(path, site) for path in files]
        user_hash_key = _user_hash_key(platform)
        connection = {"bootstrap.servers": platform.kafka_bootstrap}
        ensure_topic(connection, platform)
        erased = _erased_users(platform)
        options, spool = ProducerOptions(), platform.state_dir / "spool"
        with stop_flag() as stop, Sender(connection, platform.topic, spool, options) as sender:
            sender.send_spool(stop)
            for path, of_site in zip(files, sites, strict=True):
                if not stop:
                    _replay_file(path, of_site, user_hash_key, erased, sender, stop)
            report = sender.settle(stop)
        console.print(str(report), soft_wrap=True)


def _replay_file(
    path: Path, site: str, user_hash_key: bytes, erased: "Tombstones", sender: "Sender", stop: "StopFlag"
) -> None:
    from clickstream.delivery import REPLAY
    from clickstream.replay import RejectedFile, Rules, opened, outcomes

    platform = settings()
    rules = Rules(site, user_hash_key, int(time.time() * 1_000), platform.future_tolerance_seconds * 1_000)
    read = sent = left_out = 0
    ready: list[tuple[bytes | None, bytes | None]] = []
    with (
        opened(path) as (lines, raw),
        RejectedFile(path, platform.state_dir) as rejected,
        progress(path.name, path.stat().st_size, BYTES) as bar,
    ):
        for outcome in outcomes(lines, rules):
            read += 1
            if erased and erased.cover_record(outcome.value or outcome.line.encode()):
                left_out += 1
            elif outcome.reason is None:
                ready.append((outcome.key, outcome.value))
            else:
                rejected.add(outcome)
            if len(ready) >= _HANDFUL:
                sender.send(ready, REPLAY)
                sent += len(ready)
                ready.clear()
                bar.to(raw.tell())
            if stop:
                break
        sender.send(ready, REPLAY)
        sent += len(ready)
    counts = f"read {read:,}, sent {sent:,}, refused {rejected.count:,}"
    if left_out:
        counts += f", left out {left_out:,} of erased users"
    console.print(f"{path.name}: {counts} (site {site})", soft_wrap=True, markup=False, highlight=False)
    if rejected.count:
        console.print(f"refused lines with their reasons: {rejected.path}", soft_wrap=True)


def _site(path: Path, given: str | None) -> str:
    """The site of a log: as given, or found out; JSON lines of events need none."""
    from clickstream.access_log import origin
    from clickstream.replay import guess_site, opened

    if given is not None:
        found = origin(given)
        if found is None or given.rstrip("/") != found:
            raise typer.BadParameter(f"{given!r} is not like https://example.org", param_hint="--site")
        return found
    with opened(path) as (lines, _):
        return guess_site(lines) or "http://localhost"


def _user_hash_key(platform: Settings) -> bytes:
    """The key of the user hash; blake2b takes 64 bytes at most, a longer one is hashed."""
    from clickstream.replay import ReplayError

    key = platform.user_hash_key.get_secret_value().encode()
    if not key:
        raise ReplayError(
            "CLICKSTREAM_USER_HASH_KEY is empty: users of a log are told apart by a keyed hash, and without a key it "
            "could be undone. Set it to a long random text and keep it, or run `make setup`, which makes one"
        )
    return key if len(key) <= 64 else blake2b(key).digest()


def _erased_users(platform: Settings) -> "Tombstones":
    """Whom the stream would refuse: what it is not sent lies neither in Kafka nor in the spool."""
    import psycopg

    from clickstream.erasure.tombstones import TombstoneError, erased_users
    from clickstream.replay import ReplayError

    try:
        with psycopg.connect(platform.postgres_writer.get_secret_value(), connect_timeout=10) as connection:
            return erased_users(connection.cursor())
    except psycopg.OperationalError as error:
        raise ReplayError(f"cannot ask PostgreSQL who was erased, so nothing is sent: {error}") from error
    except TombstoneError as error:
        raise ReplayError(str(error)) from error


def _time(text: str, option: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; like 2026-11-20T08:00:00Z", param_hint=option) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Errors that the user can mend as one message, without a traceback."""
    from clickstream.delivery import DeliveryIncomplete, KafkaUnavailable
    from clickstream.replay import ReplayError
    from clickstream.stopping import Stopped

    try:
        yield
    except Stopped as stopped:
        errors.print(str(stopped), markup=False, soft_wrap=True)
        raise typer.Exit(stopped.exit_code) from None
    except (DeliveryIncomplete, KafkaUnavailable, ReplayError) as error:
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        errors.print(f"settings: {problems}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2) from None
