"""A user's visits, folded event by event: the state that Bytewax keeps for each user."""

from bisect import insort
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from . import fold

_COUNT_OF = {kind: name for name, kind in fold.COUNTS.items()}


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
    referrer_medium: str
    device: str
    browser: str
    bot: str | None
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


@dataclass(slots=True)
class Visit:
    """One session; `path` holds the first hundred page views in order as (Unix ms, event id, path)."""

    first: tuple[int, bytes]
    ended_ms: int
    touch: tuple[str, str, str]
    events: int = 0
    revenue_e4: int = 0
    bot: str | None = None
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(fold.COUNTS, 0))
    path: list[tuple[int, bytes, str]] = field(default_factory=list)
    last_view: tuple[int, bytes, str] | None = None

    def add(self, event: Seen) -> None:
        """Take in an event that lies within the gap."""
        at = (event.event_ms, event.event_id)
        if at < self.first:
            self.first, self.touch = at, (event.referrer_medium, event.device, event.browser)
        self.ended_ms = max(self.ended_ms, event.event_ms)
        self.events += 1
        self.revenue_e4 = min(self.revenue_e4 + event.revenue_e4, fold.MAX_REVENUE_E4)
        self.bot = min(filter(None, (self.bot, event.bot)), default=None)
        if event.event_type in _COUNT_OF:
            self.counts[_COUNT_OF[event.event_type]] += 1
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
        self.bot = min(filter(None, (self.bot, later.bot)), default=None)
        for name, count in later.counts.items():
            self.counts[name] += count
        self.path = sorted(self.path + later.path)[: fold.MAX_PATH]
        self.last_view = max(filter(None, (self.last_view, later.last_view)), default=None)

    def row(self, user_id: str) -> dict[str, Any]:
        """The row of table `sessions` (fold.SESSION; times in Unix ms)."""
        lasted, view = self.ended_ms - self.first[0], self.last_view
        key_events = self.counts["purchases"] + self.counts["sign_ups"]
        return {
            "session_id": fold.session_id(user_id, self.first[1]),
            "user_id": user_id,
            "started_at": self.first[0],
            "ended_at": self.ended_ms,
            "first_event_id": self.first[1],
            "events": self.events,
            **self.counts,
            "revenue_e4": self.revenue_e4,
            "entry_page": self.path[0][2] if self.path else None,
            "exit_page": view[2] if view else None,
            "exit_at": view[0] if view else None,
            "exit_event_id": view[1] if view else None,
            "path": [page for _, _, page in self.path],
            "path_at": [at for at, _, _ in self.path],
            "path_event_ids": b"".join(event_id for _, event_id, _ in self.path),
            **dict(zip(("referrer_medium", "device", "browser"), self.touch, strict=True)),
            "bot": self.bot,
            "engaged": lasted > 10_000 or key_events > 0 or self.counts["page_views"] >= 2,
            "converted": self.counts["purchases"] > 0,
            "quarantined": lasted > 3 * 86_400_000 or self.events > 10_000,
        }


@dataclass(slots=True)
class Visits:
    """All visits of a user in order, none within the gap of another."""

    visits: list[Visit] = field(default_factory=list)

    def add(self, event: Seen) -> tuple[Visit, list[bytes]]:
        """The visit that the event belongs to now, and the first event ids of those that it replaced."""
        at = event.event_ms
        near = [v for v in self.visits if v.first[0] - fold.GAP_MS <= at <= v.ended_ms + fold.GAP_MS]
        if not near:
            visit = Visit((at, event.event_id), at, (event.referrer_medium, event.device, event.browser))
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
