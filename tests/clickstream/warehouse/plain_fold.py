"""What the warehouse must hold, folded in plain Python from what was said: nothing of the code under test is used.

The accepted copy of an id is the first in the order of the ledger (slices as they were committed, offsets within a
slice). All else follows from the accepted events alone, in whatever order they came.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise
from statistics import median
from typing import Any

import psycopg
from psycopg.rows import dict_row

from .said import AGENTS, LOAD_BUCKETS, PAGES, Said

GAP_MS = 1_800_000
DAY_MS = 86_400_000
Row = dict[str, Any]

COUNTS = {
    "page_views": "page_view", "clicks": "click", "scrolls": "scroll", "searches": "search", "item_views": "view_item",
    "cart_adds": "add_to_cart", "cart_removals": "remove_from_cart", "checkouts": "begin_checkout",
    "payment_infos": "add_payment_info", "purchases": "purchase", "sign_ups": "sign_up", "logins": "login",
}  # fmt: skip
FIRST_TIMES = {
    "first_search_at": "search", "first_item_view_at": "view_item", "first_cart_add_at": "add_to_cart",
    "first_checkout_at": "begin_checkout", "first_payment_info_at": "add_payment_info",
    "first_purchase_at": "purchase", "first_sign_up_at": "sign_up",
}  # fmt: skip


def expected(accepted: Iterable[Said]) -> dict[str, list[Row]]:
    """The rows of each table, as `stored` reads them."""
    events = sorted(accepted, key=lambda said: (said.ms, said.id.bytes))
    visits = [visit for of_user in _visits(events).values() for visit in of_user]
    return {
        "events": _in_order(_event(said) for said in events),
        "sessions": _in_order(_session(visit) for visit in visits),
        "journey_links": _in_order(_links(visits)),
        **{table: _in_order(rows) for table, rows in _minutes(events).items()},
        "model_changes": _in_order(
            {"user_id": user, "day": day} for user, day in {(said.user, _day(said.ms)) for said in events}
        ),
    }


def _visits(events: list[Said]) -> dict[str, list[list[Said]]]:
    """By user: events with no gap over half an hour."""
    by_user: dict[str, list[list[Said]]] = defaultdict(list)
    for said in events:
        visits = by_user[said.user]
        if visits and said.ms - visits[-1][-1].ms <= GAP_MS:
            visits[-1].append(said)
        else:
            visits.append([said])
    return by_user


def _minutes(events: list[Said]) -> dict[str, list[Row]]:
    traffic: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    pages: Counter[tuple[Any, ...]] = Counter()
    loads: Counter[tuple[Any, ...]] = Counter()
    for said in events:
        agent = AGENTS[said.agent]
        minute, is_bot = said.ms // 60_000 * 60_000, agent.bot is not None
        count = traffic[minute, said.kind, agent.device, is_bot]
        count[0] += 1
        count[1] += said.revenue_e4
        if said.kind == "page_view":
            pages[minute, *PAGES[said.page], is_bot] += 1
        if said.load is not None:
            loads[minute, LOAD_BUCKETS[said.load], is_bot] += 1
    columns = {
        "traffic_minute": ("minute", "event_type", "device", "is_bot", "events", "revenue_e4"),
        "page_minute": ("minute", "page_path", "page_group", "is_bot", "views"),
        "load_minute": ("minute", "bucket", "is_bot", "loads"),
    }
    rows = {
        "traffic_minute": [(*key, *counts) for key, counts in traffic.items()],
        "page_minute": [(*key, views) for key, views in pages.items()],
        "load_minute": [(*key, count) for key, count in loads.items()],
    }
    return {table: [dict(zip(columns[table], row, strict=True)) for row in rows[table]] for table in columns}


def _event(said: Said) -> Row:
    agent = AGENTS[said.agent]
    path, group = PAGES[said.page]
    return {
        "event_id": said.id, "event_time": said.ms, "event_type": said.kind, "user_id": said.user,
        "session_id": said.session_id, "page_url": said.page, "page_path": path, "page_group": group,
        "referrer": said.referrer, "referrer_medium": said.touch.referrer_medium, "user_agent": said.agent,
        "device": agent.device, "browser": agent.browser, "bot": agent.bot,
        "product_id": (said.product or "").strip() or None, "category": (said.category or "").strip() or None,
        "properties": said.properties,
    }  # fmt: skip


def _session(visit: list[Said]) -> Row:
    kinds = Counter(said.kind for said in visit)
    views = [said for said in visit if said.kind == "page_view"]
    first, lasted = visit[0], visit[-1].ms - visit[0].ms
    agent, exit_view = AGENTS[first.agent], views[-1] if views else None
    clients = sorted({said.session_id for said in visit if said.session_id is not None})
    return {
        "user_id": first.user, "started_at": first.ms, "ended_at": visit[-1].ms, "first_event_id": first.id,
        "events": len(visit),
        **{column: kinds[kind] for column, kind in COUNTS.items()},
        **{
            column: next((said.ms for said in visit if said.kind == kind), None)
            for column, kind in FIRST_TIMES.items()
        },
        "revenue_e4": sum(said.revenue_e4 for said in visit),
        "entry_page": views[0].path if views else None,
        "exit_page": exit_view and exit_view.path,
        "exit_at": exit_view and exit_view.ms,
        "exit_event_id": exit_view and exit_view.id,
        "path": [said.path for said in views[:100]],
        "path_at": [said.ms for said in views[:100]],
        "path_event_ids": b"".join(said.id.bytes for said in views[:100]),
        **first.touch._asdict(),
        "device": agent.device, "browser": agent.browser, "os": agent.os, "browser_version": agent.browser_version,
        "client_session_min": clients[0] if clients else None,
        "client_session_max": clients[-1] if clients else None,
        "bot": "declared" if any(AGENTS[said.agent].bot for said in visit) else behaviour(visit),
        "engaged": lasted > 10_000 or len(views) >= 2 or kinds["purchase"] + kinds["sign_up"] > 0,
        "converted": kinds["purchase"] > 0,
        "quarantined": lasted > 3 * DAY_MS or len(visit) > 10_000,
    }  # fmt: skip


def behaviour(visit: list[Said]) -> str | None:
    """Why a visit is no person's, by its first 100 page views, if there are at least 20."""
    times = [said.ms for said in visit if said.kind == "page_view"][:100]
    if len(times) < 20:
        return None
    pauses = sorted(after - before for before, after in pairwise(times))
    middle = median(pauses)
    if middle < 1_000:
        return "rate"
    if 5 * (pauses[len(pauses) * 9 // 10] - pauses[len(pauses) // 10]) < middle:
        return "regular"
    if middle < 5_000 and not any(said.kind in ("scroll", "click") for said in visit):
        return "no_interaction"
    return None


def _links(visits: list[list[Said]]) -> list[Row]:
    """Which page led to which in people's first five steps; groups are called by their label."""
    links: Counter[tuple[Any, ...]] = Counter()
    labels = {path: path if group == "Other" else group for path, group in PAGES.values()}
    for row in map(_session, visits):
        if row["bot"] is None and not row["quarantined"]:
            steps = [labels[path] for path, _ in groupby(row["path"])]
            day = _day(row["started_at"])
            links.update(
                (day, step, *pair) for step, pair in zip(range(1, 6), pairwise([*steps, "(exit)"]), strict=False)
            )
    return [
        {"day": day, "step": step, "source": source, "target": target, "sessions": sessions}
        for (day, step, source, target), sessions in links.items()
    ]


def _day(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1_000, UTC).date()


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUERIES = {
    "events": "select * from events",
    "sessions": "select * from sessions",
    "journey_links": "select * from journey_links where sessions <> 0",
    "traffic_minute": "select * from traffic_minute",
    "page_minute": "select * from page_minute",
    "load_minute": "select * from load_minute",
    "model_changes": "select distinct * from model_changes",
}
# Columns that are not made a second time here: an id, when an event came, what PostgreSQL generates.
_APART = {"events": {"kafka_time"}, "sessions": {"session_id", "revenue"}, "traffic_minute": {"revenue"}}


def stored(connection: psycopg.Connection) -> dict[str, list[Row]]:
    """What the warehouse holds, in the rows of `expected`: every column but a few, times as Unix milliseconds."""
    found = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for table, query in _QUERIES.items():
            apart = _APART.get(table, set())
            rows = cursor.execute(query).fetchall()
            found[table] = _in_order({name: _plain(row[name]) for name in row.keys() - apart} for row in rows)
    return found


def _plain(value: Any) -> Any:
    return (value - _EPOCH) // timedelta(milliseconds=1) if isinstance(value, datetime) else value


def _in_order(rows: Iterable[Row]) -> list[Row]:
    return sorted(({name: row[name] for name in sorted(row)} for row in rows), key=repr)
