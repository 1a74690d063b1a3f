"""Files of real traffic as records: combined access logs and JSON lines of the contract, plain or gzip.

Ids of log lines are made from the line and its count among equal lines of the file, so that replaying a file again
gives the same ids. The count costs about 100 bytes of memory a line.
"""

import gzip
import io
import os
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self, TextIO
from uuid import UUID

from clickstream.access_log import event, origin, parse, without_addresses
from clickstream.contract import Rejected, decode, encode, time_rejection

_SAMPLE_LINES = 10_000  # read to find out the site of a log


class ReplayError(Exception):
    """The replay cannot go on; the message says what, where and how to mend it."""


class Outcome(NamedTuple):
    """What became of a line: a record (key and value), or the reason of its refusal."""

    number: int
    line: str
    key: bytes | None
    value: bytes | None
    reason: str | None


@dataclass
class LineIds:
    """Ids of the lines of one file: equal lines are counted, so that each has its own."""

    _seen: set[int] = field(default_factory=set)
    _again: Counter[int] = field(default_factory=Counter)

    def next(self, line: bytes) -> UUID:
        """A version 8 UUID (RFC 9562) of the line and how many equal ones came before it."""
        short = int.from_bytes(blake2b(line, digest_size=8).digest())
        if short in self._seen:
            self._again[short] += 1
        else:
            self._seen.add(short)
        count = self._again.get(short, 0)
        digest = blake2b(line, digest_size=16, salt=count.to_bytes(8, "big"), person=b"clickstream.line").digest()
        number = int.from_bytes(digest) & ~(0xF << 76) & ~(0x3 << 62)
        return UUID(int=number | 8 << 76 | 2 << 62)


@dataclass(frozen=True)
class Rules:
    """What lines are read by: the log's site (scheme and host), the key of the user hash, the latest time (Unix ms,
    in the place of the Kafka time that a record will have) and how far beyond it an event may lie."""

    site: str
    user_hash_key: bytes
    now_ms: int
    future_tolerance_ms: int


def outcomes(lines: Iterator[bytes], rules: Rules) -> Iterator[Outcome]:
    """What becomes of each line of one file."""
    ids = LineIds()
    for number, raw in enumerate(lines, 1):
        content = raw.rstrip(b"\r\n")
        line = content.decode("utf-8", "replace")
        if line.lstrip().startswith("{"):
            yield _checked(number, line, content, rules)
            continue
        event_id = ids.next(content)
        try:
            value = encode(event(parse(line), event_id, rules.site, rules.user_hash_key))
        except ValueError as error:
            yield Outcome(number, line, None, None, str(error))
            continue
        yield _checked(number, line, value, rules)


def _checked(number: int, line: str, value: bytes, rules: Rules) -> Outcome:
    """The contract has the last word on both kinds of line."""
    decoded = decode(value)
    if not isinstance(decoded, Rejected):
        event_ms = int(decoded.event.event_time.timestamp() * 1_000)
        refused = time_rejection(event_ms, rules.now_ms, rules.future_tolerance_ms)
        if refused is None:
            return Outcome(number, line, decoded.event.user_id.encode(), value, None)
        decoded = refused
    return Outcome(number, line, None, None, f"{decoded.reason}: {decoded.detail}")


def guess_site(lines: Iterator[bytes]) -> str | None:
    """Scheme and host that a log is most likely from: what most requests for pictures, styles and scripts name as
    their referrer. ``None`` when there is no such request."""
    origins: Counter[str] = Counter()
    for raw, _ in zip(lines, range(_SAMPLE_LINES), strict=False):
        try:
            line = parse(raw.decode("utf-8", "replace").rstrip("\r\n"))
        except ValueError:
            continue
        found = origin(line.referrer)
        if found and line.target.partition("?")[0].endswith((".css", ".js", ".png", ".gif", ".jpg", ".ico", ".svg")):
            origins[found] += 1
    return origins.most_common(1)[0][0] if origins else None


@contextmanager
def opened(path: Path | None) -> Iterator[tuple[io.BufferedReader, BinaryIO]]:
    """The lines of a plain or gzip file, None for standard input, and the raw file whose position tells the progress.

    Raises ReplayError for a file that cannot be read, is no gzip for all its name, or ends within its gzip stream.
    """
    try:
        with path.open("rb") if path else os.fdopen(0, "rb", closefd=False) as raw:
            is_gzip = raw.peek(2)[:2] == b"\x1f\x8b"
            if path and path.suffix == ".gz" and not is_gzip:
                raise ReplayError(f"{path} is not gzip: take .gz off its name if it is plain")
            yield io.BufferedReader(gzip.GzipFile(fileobj=raw)) if is_gzip else raw, raw
    except (OSError, EOFError, zlib.error) as error:
        raise ReplayError(f"cannot read {path or 'standard input'}: {error}") from error


class RejectedFile:
    """The refused lines of one file with number and reason, addresses masked; a context. Made with the first line:
    beside the source when that directory can be written, else under the state directory."""

    def __init__(self, source: Path, state_dir: Path) -> None:
        beside = os.access(source.absolute().parent, os.W_OK)
        self.path = (source.parent if beside else state_dir / "replay") / f"{source.name}.rejected"
        self.count = 0
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        self.path.unlink(missing_ok=True)  # of an earlier replay
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def add(self, outcome: Outcome) -> None:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8")
        self._file.write(f"{outcome.number}\t{outcome.reason}\t{without_addresses(outcome.line)}\n")
        self.count += 1
