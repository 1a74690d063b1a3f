"""What is said in generated histories: events, how they are written, and which copy of an id counts.

Nothing of the code under test is used: what enrichment makes of the few values is written down by hand.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple
from uuid import UUID


class Agent(NamedTuple):
    """What a user agent says."""

    device: str = "other"
    browser: str = "other"
    bot: str | None = None
    os: str = "other"
    browser_version: str | None = None


class Touch(NamedTuple):
    """What brought a visitor to a page."""

    referrer_medium: str
    source: str
    medium: str
    campaign: str | None
    channel: str


# Pages: path and group.
TAGGED = "https://shop.example/p/2?utm_source=June&utm_medium=email&utm_campaign=Summer%20Sale"
PAGES = {
    "https://shop.example/": ("/", "Home"),
    "https://shop.example/p/1?ref=a": ("/p/1", "Product"),
    TAGGED: ("/p/2", "Product"),
    "https://shop.example/cart/": ("/cart", "Cart"),
    "https://shop.example/gifts": ("/gifts", "Other"),
}
TAGS = Touch("email", "june", "email", "Summer Sale", "Email")
_DIRECTLY = ("(direct)", "(none)", None, "Direct")
REFERRERS = {
    None: Touch("direct", *_DIRECTLY),
    "https://www.google.com/": Touch("search", "google", "organic", None, "Organic Search"),
    "https://shop.example/cart": Touch("internal", *_DIRECTLY),
}
AGENTS = {
    None: Agent(),
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0": Agent(
        "desktop", "Firefox", None, "Linux", "128"
    ),
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": Agent(
        "bot", "Googlebot", "declared", "other", "2.1"
    ),
}
LOAD_BUCKETS = {None: None, 0: 0, 240: 112, 1_000.5: 141}  # 1.05^112 = 236.2, 1.05^141 = 971.8, 1.05^142 = 1,020.4


@dataclass(frozen=True)
class Said:
    """The content of one event; `ms` is Unix milliseconds, `cents` a price, None what the producer left out."""

    number: int
    user: str
    ms: int
    kind: str
    page: str = "https://shop.example/"
    referrer: str | None = None
    agent: str | None = None
    session_id: str | None = None
    cents: int | None = None
    quantity: int | None = None
    load: float | None = None
    product: str | None = None
    category: str | None = None
    colour: str | None = None

    @property
    def id(self) -> UUID:
        """An id that sorts otherwise than the numbers do."""
        return UUID(int=self.number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)

    @property
    def properties(self) -> dict[str, Any]:
        price = None if self.cents is None else self.cents / 100
        given = {
            "price": price, "quantity": self.quantity, "page_load_ms": self.load, "product_id": self.product,
            "category": self.category, "colour": self.colour,
        }  # fmt: skip
        return {name: value for name, value in given.items() if value is not None}

    @property
    def revenue_e4(self) -> int:
        if self.kind != "purchase" or self.cents is None:
            return 0
        return self.cents * 100 * (1 if self.quantity is None else self.quantity)

    @property
    def path(self) -> str:
        return PAGES[self.page][0]

    @property
    def touch(self) -> Touch:
        return TAGS if self.page == TAGGED else REFERRERS[self.referrer]


STYLES = ("plain", "loud", "foreign")


def written(said: Said, style: str) -> bytes:
    """The record value; every style says the same."""
    moment = datetime.fromtimestamp(said.ms // 1_000, UTC) + timedelta(milliseconds=said.ms % 1_000)
    document: dict[str, Any] = {
        "event_id": str(said.id),
        "event_type": said.kind,
        "event_time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "user_id": said.user,
        "page_url": said.page,
        "referrer": said.referrer,
        "user_agent": said.agent,
        "session_id": said.session_id,
        "properties": said.properties,
    }
    if style == "plain":
        return json.dumps({k: v for k, v in document.items() if v not in (None, {})}, separators=(",", ":")).encode()
    if style == "loud":  # upper-case id, nulls, other order, white space
        backwards = dict(reversed(document.items())) | {"properties": dict(reversed(said.properties.items()))}
        return json.dumps(backwards | {"event_id": str(said.id).upper()}, indent=2).encode()
    # Another zone, more digits than are kept, UTF-8 instead of escapes, an unknown property outside of the object.
    abroad = (moment + timedelta(microseconds=999)).astimezone(timezone(timedelta(hours=-5, minutes=-30)))
    document["event_time"] = abroad.isoformat(timespec="microseconds")
    document["properties"] = {k: v for k, v in said.properties.items() if k != "colour"}
    if said.colour is not None:
        document["colour"] = said.colour
    return json.dumps(document, ensure_ascii=False).encode()


class Arrived(NamedTuple):
    """A copy of an event at its place in the topic."""

    partition: int
    offset: int
    said: Said


@dataclass
class Ledger:
    """Which copies count: `accepted` by id; how many `duplicates`; the places of `conflicts`."""

    accepted: dict[UUID, Arrived] = field(default_factory=dict)
    duplicates: int = 0
    conflicts: list[tuple[int, int]] = field(default_factory=list)


def decide(arrived: Iterable[Arrived]) -> Ledger:
    """Go through the copies in the ledger's order."""
    ledger = Ledger()
    for copy in arrived:
        first = ledger.accepted.setdefault(copy.said.id, copy)
        if first is copy:
            continue
        if first.said == copy.said:
            ledger.duplicates += 1
        else:
            ledger.conflicts.append((copy.partition, copy.offset))
    ledger.conflicts.sort()
    return ledger
