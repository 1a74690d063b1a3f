"""A dead letter, its place, and the filter that names some of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self
from uuid import NAMESPACE_URL, UUID, uuid5

_NAMESPACE = uuid5(NAMESPACE_URL, "clickstream:dead-letter")


class Place(NamedTuple):
    """Where in Kafka a record lies; written ``topic/partition/offset``."""

    topic: str
    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``topic/partition/offset``. Raises ValueError that says what is wrong."""
        topic, *numbers = text.rsplit("/", 2)
        if not topic or len(numbers) != 2 or not all(n.isascii() and n.isdecimal() for n in numbers):
            raise ValueError(f"{text!r} is no place; like clickstream.events/0/1234 (topic/partition/offset)")
        partition, offset = map(int, numbers)
        if partition >= 2**31 or offset >= 2**63:
            raise ValueError(f"{text!r} is no place: Kafka has no numbers that large")
        return cls(topic, partition, offset)

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def event_id(self) -> UUID:
        """The id of an event that came without a usable one: always the same, so that a repeat is a duplicate."""
        return uuid5(_NAMESPACE, str(self))


@dataclass(frozen=True)
class Letter:
    """A row of ``clickstream.dead_letters``. ``payload`` is None for a tombstone; the last two are set together."""

    place: Place
    kafka_time: datetime
    reason: str
    detail: str
    payload: bytes | None
    created_at: datetime
    replayed_at: datetime | None
    replayed_event_id: UUID | None


@dataclass(frozen=True)
class Filter:
    """Which dead letters; None is all. Times are the records' Kafka times, ``until`` exclusive; ``contains`` is looked
    for in the detail, whatever its case; ``pending`` leaves out those that were sent back."""

    reasons: list[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    topic: str | None = None
    partition: int | None = None
    contains: str | None = None
    pending: bool = False


class ReasonCount(NamedTuple):
    """How many letters have a reason, how many of them were sent back, and their first and last Kafka time."""

    reason: str
    letters: int
    replayed: int
    first: datetime
    last: datetime
