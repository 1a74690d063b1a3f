"""Mended dead letters back into Kafka: sent, acknowledged, marked, page by page.

A crash between the acknowledgement and the mark leaves letters that the next replay sends again, with the same event
ids: the stream counts them as duplicates.
"""

import base64
import binascii
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from clickstream.contract import OLDEST_EVENT_MS, Rejected
from clickstream.dead_letters.letters import Filter, Letter, Place
from clickstream.dead_letters.mend import Mended, Mends, judge
from clickstream.dead_letters.payloads import write_json
from clickstream.dead_letters.store import Store
from clickstream.delivery import REPLAY, Sender
from clickstream.stopping import StopFlag

_LINES = 500  # of an edited file, looked up at once


class Candidate(NamedTuple):
    """A letter with the payload to send, or what is wrong (reason, detail) with what was asked for; `name` tells it."""

    name: str
    letter: Letter | None
    payload: bytes | None
    problem: tuple[str, str] | None = None


class Outcome(NamedTuple):
    """What became of a candidate. `sent` has an event id, `refused` a reason and a detail, `skipped` neither."""

    name: str
    state: Literal["sent", "refused", "skipped"]
    event_id: UUID | None = None
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Delivery:
    """Where events go, and who remembers that they went."""

    sender: Sender
    store: Store

    def deliver(self, letters: list[tuple[Place, Mended]], stop: StopFlag) -> bool:
        """Send and wait; mark the letters when every one is acknowledged. False when some went to the spool."""
        self.sender.send(((mended.key, mended.value) for _, mended in letters), REPLAY)
        self.sender.flush(stop)
        if self.sender.spool.records:
            return False
        if letters:
            self.store.mark([(place, mended.event_id) for place, mended in letters])
        return True


def replay(
    pages: Iterable[list[Candidate]],
    delivery: Delivery | None,
    future_tolerance_ms: int,
    again: bool,
    stop: StopFlag,
    oldest_ms: int = OLDEST_EVENT_MS,
) -> Iterator[list[Outcome]]:
    """Judge each page and send what the contract accepts; yields a page's outcomes once they are settled.

    Without a delivery nothing is sent: `sent` then means would be. Letters that were sent back before are skipped
    unless `again`. Ends early when stopped, or when Kafka did not take a page: its letters stay unmarked.
    """
    for page in pages:
        if stop:
            return
        outcomes: list[Outcome] = []
        letters: list[tuple[Place, Mended]] = []
        now_ms = int(time.time() * 1_000)
        for name, letter, payload, problem in page:
            if letter is not None and letter.replayed_at and not again:
                outcomes.append(Outcome(name, "skipped"))
            elif letter is None or problem:
                outcomes.append(Outcome(name, "refused", None, *(problem or ("unknown", "no such dead letter"))))
            elif isinstance(judged := judge(letter, payload, now_ms, future_tolerance_ms, oldest_ms), Rejected):
                outcomes.append(Outcome(name, "refused", None, str(judged.reason), judged.detail))
            else:
                letters.append((letter.place, judged))
                outcomes.append(Outcome(name, "sent", judged.event_id))
        if delivery is not None and not delivery.deliver(letters, stop):
            return
        yield outcomes


def mended_letters(store: Store, wanted: Filter, limit: int | None, mends: Mends) -> Iterator[list[Candidate]]:
    """Pages of the letters that a filter names, changed as asked."""
    for page in store.pages(wanted, limit):
        yield [_mended(letter, mends) for letter in page]


def edited_letters(store: Store, lines: Iterable[bytes]) -> Iterator[list[Candidate]]:
    """Pages of the letters that the lines of an export name, with the payloads that stand there now."""
    numbered = enumerate(lines, 1)
    while page := list(islice(numbered, _LINES)):
        read = [(f"line {number}", _read_line(line)) for number, line in page if line.strip()]
        letters = store.at([edited[0] for _, edited in read if not isinstance(edited, str)])
        seen: set[Place] = set()
        candidates = []
        for name, edited in read:
            if isinstance(edited, str):
                candidates.append(Candidate(name, None, None, ("bad_line", edited)))
                continue
            place, payload = edited
            problem = ("bad_line", f"{name}: an earlier line has the same place") if place in seen else None
            seen.add(place)
            candidates.append(Candidate(str(place), letters.get(place), payload, problem))
        yield candidates


class _Line(msgspec.Struct):
    """What is read of an exported line; the rest is for people."""

    topic: str
    partition: int
    offset: int
    payload: Any = msgspec.UNSET
    payload_base64: str | msgspec.UnsetType = msgspec.UNSET


def _read_line(line: bytes) -> tuple[Place, bytes] | str:
    """A line's place and payload, or what is wrong with it."""
    try:
        read = msgspec.convert(json.loads(line), _Line)
        place = Place.parse(f"{read.topic}/{read.partition}/{read.offset}")
        if (read.payload in (msgspec.UNSET, None)) == (read.payload_base64 is msgspec.UNSET):
            return "needs either payload (an object, or text) or payload_base64"
        if read.payload_base64 is not msgspec.UNSET:
            return place, base64.b64decode(read.payload_base64, validate=True)
        return place, read.payload.encode() if isinstance(read.payload, str) else write_json(read.payload)
    except (ValueError, RecursionError, binascii.Error) as error:
        return f"not a line of an export: {error}"


def _mended(letter: Letter, mends: Mends) -> Candidate:
    changed = mends.apply(letter.payload)
    if isinstance(changed, Rejected):
        return Candidate(str(letter.place), letter, None, (str(changed.reason), changed.detail))
    return Candidate(str(letter.place), letter, changed)
