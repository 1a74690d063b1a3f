"""What the warehouse must hold, folded in plain Python from what was said: nothing of the code under test is used.

The accepted copy of an id is the first in the order of the ledger (slices as they were committed, offsets within a
slice). All else follows from the accepted events alone, in whatever order they came.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

GAP_MS = 1_800_000

# What enrichment makes of the few values used here, written down by hand.
PAGES = {"https://shop.example/": "/", "https://shop.example/p/1?ref=a": "/p/1", "https://shop.example/cart/": "/cart"}
REFERRERS = {None: "direct", "https://www.google.com/": "search", "https://shop.example/cart": "internal"}
AGENTS = {
    None: ("other", "other", None),
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0": ("desktop", "Firefox", None),
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": ("bot", "Googlebot", "declared"),
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
    colour: str | None = None

    @property
    def id(self) -> UUID:
        """An id that sorts otherwise than the numbers do."""
        return UUID(int=self.number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)

    @property
    def properties(self) -> dict[str, Any]:
        price = None if self.cents is None else self.cents / 100
        given = {"price": price, "quantity": self.quantity, "page_load_ms": self.load, "colour": self.colour}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def revenue_e4(self) -> int:
        if self.kind != "purchase" or self.cents is None:
            return 0
        return self.cents * 100 * (1 if self.quantity is None else self.quantity)


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


def expected(accepted: Iterable[Said]) -> dict[str, list[Any]]:
    """The rows of each table, as `stored` reads them."""
    events = sorted(accepted, key=lambda said: (said.ms, said.id.bytes))
    traffic: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    pages: Counter[tuple[Any, ...]] = Counter()
    loads: Counter[tuple[Any, ...]] = Counter()
    by_user: dict[str, list[list[Said]]] = defaultdict(list)
    for said in events:
        device, _, bot = AGENTS[said.agent]
        minute, is_bot = said.ms // 60_000 * 60_000, bot is not None
        count = traffic[minute, said.kind, device, is_bot]
        count[0] += 1
        count[1] += said.revenue_e4
        if said.kind == "page_view":
            pages[minute, PAGES[said.page], is_bot] += 1
        if said.load is not None:
            loads[minute, LOAD_BUCKETS[said.load], is_bot] += 1
        visits = by_user[said.user]
        if visits and said.ms - visits[-1][-1].ms <= GAP_MS:
            visits[-1].append(said)
        else:
            visits.append([said])
    return {
        "events": sorted(_event(said) for said in events),
        "sessions": sorted(_session(visit) for visits in by_user.values() for visit in visits),
        "traffic_minute": sorted((*key, *counts) for key, counts in traffic.items()),
        "page_minute": sorted((*key, views) for key, views in pages.items()),
        "load_minute": sorted((*key, count) for key, count in loads.items()),
        "model_changes": sorted({(said.user, said.ms // 86_400_000) for said in events}),
    }


def _event(said: Said) -> tuple[Any, ...]:
    properties = json.dumps(said.properties, sort_keys=True)
    return (str(said.id), said.ms, said.kind, said.user, said.page, PAGES[said.page], said.referrer or "",
            said.session_id or "", REFERRERS[said.referrer], *_agent(said), properties)  # fmt: skip


def _session(visit: list[Said]) -> tuple[Any, ...]:
    kinds = Counter(said.kind for said in visit)
    views = [PAGES[said.page] for said in visit if said.kind == "page_view"]
    first, lasted = visit[0], visit[-1].ms - visit[0].ms
    device, browser, _ = _agent(first)
    is_bot = any(AGENTS[said.agent][2] for said in visit)
    return (
        first.user, first.ms, visit[-1].ms, str(first.id), len(visit), kinds["page_view"], kinds["search"],
        kinds["view_item"], kinds["add_to_cart"], kinds["begin_checkout"], kinds["purchase"], kinds["sign_up"],
        sum(said.revenue_e4 for said in visit), (views or [""])[0], (views or [""])[-1], views[:100],
        REFERRERS[first.referrer], device, browser, "declared" if is_bot else "",
        lasted > 10_000 or len(views) >= 2 or kinds["purchase"] + kinds["sign_up"] > 0, kinds["purchase"] > 0,
        lasted > 3 * 86_400_000 or len(visit) > 10_000,
    )  # fmt: skip


def _agent(said: Said) -> tuple[str, str, str]:
    device, browser, bot = AGENTS[said.agent]
    return device, browser, bot or ""


_MS = "(extract(epoch from {}) * 1000)::bigint"
_QUERIES = {
    "events": f"""select event_id::text, {_MS.format("event_time")}, event_type, user_id, page_url, page_path,
        coalesce(referrer, ''), coalesce(session_id, ''), referrer_medium, device, browser, coalesce(bot, ''),
        properties from events""",
    "sessions": f"""select user_id, {_MS.format("started_at")}, {_MS.format("ended_at")}, first_event_id::text, events,
        page_views, searches, item_views, cart_adds, checkouts, purchases, sign_ups, revenue_e4,
        coalesce(entry_page, ''), coalesce(exit_page, ''), path, referrer_medium, device, browser, coalesce(bot, ''),
        engaged, converted, quarantined from sessions""",
    "traffic_minute": f"""select {_MS.format("minute")}, event_type, device, is_bot, events, revenue_e4
        from traffic_minute""",
    "page_minute": f"select {_MS.format('minute')}, page_path, is_bot, views from page_minute",
    "load_minute": f"select {_MS.format('minute')}, bucket, is_bot, loads from load_minute",
    "model_changes": "select distinct user_id, day - date '1970-01-01' from model_changes",
}


def stored(connection: psycopg.Connection) -> dict[str, list[Any]]:
    """What the warehouse holds, in the rows of `expected`."""
    tables = {table: connection.execute(query).fetchall() for table, query in _QUERIES.items()}
    tables["events"] = [(*row[:-1], json.dumps(row[-1], sort_keys=True)) for row in tables["events"]]
    return {table: sorted(rows) for table, rows in tables.items()}
