"""A user's visits, folded event by event: the state that Bytewax keeps for each user."""

from bisect import insort
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from clickstream.enrich import read_acquisition, read_software

from . import fold

_COUNT_OF = {kind: name for name, kind in fold.COUNTS.items()}
_FIRST_OF = {kind: name for name, kind in fold.FIRST_TIMES.items()}


class Seen(NamedTuple):
    """A good record on its way through the flow, in the order of `records.read`'s columns, and its bytes."""

    event_id: bytes
    event_ms: int
    event_type: str
    user_id: str
    session_id: str | None
    page_url: str
    referrer: str | None
    user_agent: str | None
    page_path: str
    page_group: str
    referrer_medium: str
    device: str
    browser: str
    bot: str | None
    product_id: str | None
    category: str | None
    properties: bytes
    page_load_ms: float | None
    revenue_e4: int
    kafka_offset: int
    kafka_ms: int
    history: bool
    content_hash: int
    value: bytes


COLUMNS = Seen._fields[:-1]
SCHEMA: dict[str, Any] = dict.fromkeys(COLUMNS, pl.String)
SCHEMA |= {"event_id": pl.Binary, "properties": pl.Binary, "page_load_ms": pl.Float64, "history": pl.Boolean}
SCHEMA |= dict.fromkeys(("event_ms", "revenue_e4", "kafka_offset", "kafka_ms", "content_hash"), pl.Int64)


class Touch(NamedTuple):
    """What a visit takes over from its first event."""

    page_url: str
    referrer: str | None
    user_agent: str | None
    referrer_medium: str
    device: str
    browser: str

    @classmethod
    def of(cls, event: Seen) -> "Touch":
        """By the event's columns of the same names."""
        return cls(*(getattr(event, name) for name in cls._fields))

    def columns(self) -> dict[str, str | None]:
        """Those of table `sessions`."""
        brought = read_acquisition(self.page_url, self.referrer)
        software = read_software(self.user_agent)
        return {
            "referrer_medium": self.referrer_medium,
            "device": self.device,
            "browser": self.browser,
            "source": brought.source,
            "medium": brought.medium,
            "campaign": brought.campaign,
            "channel": brought.channel,
            "os": software.os,
            "browser_version": software.browser_version,
        }


@dataclass(slots=True)
class Visit:
    """One session; `path` holds the first hundred page views in order as (Unix ms, event id, path).

    `told` are the journey links that were given out for it, and that must be taken back when they change.
    """

    first: tuple[int, bytes]
    ended_ms: int
    touch: Touch
    events: int = 0
    revenue_e4: int = 0
    bot: str | None = None
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(fold.COUNTS, 0))
    first_times: dict[str, int] = field(default_factory=dict)
    clients: set[str] = field(default_factory=set)
    path: list[tuple[int, bytes, str]] = field(default_factory=list)
    last_view: tuple[int, bytes, str] | None = None
    told: Counter[fold.Link] = field(default_factory=Counter)

    def add(self, event: Seen) -> None:
        """Take in an event that lies within the gap."""
        at = (event.event_ms, event.event_id)
        if at < self.first:
            self.first, self.touch = at, Touch.of(event)
        self.ended_ms = max(self.ended_ms, event.event_ms)
        self.events += 1
        self.revenue_e4 = min(self.revenue_e4 + event.revenue_e4, fold.MAX_REVENUE_E4)
        self.bot = self.bot or event.bot
        if event.session_id is not None:
            self.clients.add(event.session_id)
        if event.event_type in _COUNT_OF:
            self.counts[_COUNT_OF[event.event_type]] += 1
        if event.event_type in _FIRST_OF:
            self._first_time(_FIRST_OF[event.event_type], event.event_ms)
        if event.event_type == "page_view":
            view = (*at, event.page_path)
            insort(self.path, view)
            del self.path[fold.MAX_PATH :]
            self.last_view = max(self.last_view, view) if self.last_view else view

    def join(self, later: "Visit") -> None:
        """Take in a visit that starts later."""
        self.ended_ms = max(self.ended_ms, later.ended_ms)
        self.events += later.events
        self.revenue_e4 = min(self.revenue_e4 + later.revenue_e4, fold.MAX_REVENUE_E4)
        self.bot = self.bot or later.bot
        self.clients |= later.clients
        for name, count in later.counts.items():
            self.counts[name] += count
        for name, at in later.first_times.items():
            self._first_time(name, at)
        self.path = sorted(self.path + later.path)[: fold.MAX_PATH]
        self.last_view = max(filter(None, (self.last_view, later.last_view)), default=None)
        self.told += later.told

    def _first_time(self, name: str, at: int) -> None:
        self.first_times[name] = min(at, self.first_times.get(name, at))

    def changed_links(self, row: dict[str, Any]) -> Counter[fold.Link]:
        """How its journey links changed since the last time; `row` is its own."""
        links: Counter[fold.Link] = Counter()
        if row["bot"] is None and not row["quarantined"]:
            links.update(fold.links(self.first[0], row["path"]))
        changed = links.copy()
        changed.subtract(self.told)
        self.told = links
        return changed

    def row(self, user_id: str) -> dict[str, Any]:
        """The row of table `sessions` (fold.SESSION; times in Unix ms)."""
        lasted, view = self.ended_ms - self.first[0], self.last_view
        key_events = self.counts["purchases"] + self.counts["sign_ups"]
        row: dict[str, Any] = {
            "session_id": fold.session_id(user_id, self.first[1]),
            "user_id": user_id,
            "started_at": self.first[0],
            "ended_at": self.ended_ms,
            "first_event_id": self.first[1],
            "events": self.events,
            **self.counts,
            **{name: self.first_times.get(name) for name in fold.FIRST_TIMES},
            "revenue_e4": self.revenue_e4,
            "entry_page": self.path[0][2] if self.path else None,
            "exit_page": view[2] if view else None,
            "exit_at": view[0] if view else None,
            "exit_event_id": view[1] if view else None,
            "path": [page for _, _, page in self.path],
            "path_at": [at for at, _, _ in self.path],
            "path_event_ids": b"".join(event_id for _, event_id, _ in self.path),
            **self.touch.columns(),
            "client_session_min": min(self.clients, default=None),
            "client_session_max": max(self.clients, default=None),
            "bot": self.bot,
            "engaged": lasted > 10_000 or key_events > 0 or self.counts["page_views"] >= 2,
            "converted": self.counts["purchases"] > 0,
            "quarantined": lasted > 3 * 86_400_000 or self.events > 10_000,
        }
        return row | {"bot": fold.why_bot(row)}


@dataclass(slots=True)
class Visits:
    """All visits of a user in order, none within the gap of another."""

    visits: list[Visit] = field(default_factory=list)

    def add(self, event: Seen) -> tuple[Visit, list[bytes]]:
        """The visit that the event belongs to now, and the first event ids of those that it replaced."""
        at = event.event_ms
        near = [v for v in self.visits if v.first[0] - fold.GAP_MS <= at <= v.ended_ms + fold.GAP_MS]
        if not near:
            visit = Visit((at, event.event_id), at, Touch.of(event))
            insort(self.visits, visit, key=lambda each: each.first)
            visit.add(event)
            return visit, []
        before = [visit.first[1] for visit in near]
        visit = near[0]
        for later in near[1:]:
            visit.join(later)
            self.visits.remove(later)
        visit.add(event)
        return visit, [first for first in before if first != visit.first[1]]
