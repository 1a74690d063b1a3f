"""The live metrics in Redis as tables: which key each reads, its columns, and how the value becomes rows.

The keys are those of ``docs/live-metrics.md``. A key that is missing or has expired gives no rows. Times are UTC
without a zone, as Superset expects them. Nothing here talks to a server.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import pairwise
from typing import Any, NamedTuple

AS_OF_KEY = "live:as_of"
MINUTE = timedelta(minutes=1)
Row = dict[str, Any]


class Kind(Enum):
    """The Redis type of a key."""

    HASH = "hash"
    SORTED_SET = "sorted set"
    STRING = "string"


class LiveTable(NamedTuple):
    """One table. ``columns`` are in order; ``rows`` takes what Redis returned for ``key`` and is not called for none.

    A hash arrives as a mapping, a sorted set as (member, score) pairs in falling order, a string as text.
    """

    key: str
    kind: Kind
    columns: Mapping[str, type]
    rows: Callable[[Any], Iterator[Row]]


def instant(text: str) -> datetime:
    """An ISO 8601 time as UTC without a zone."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _number(text: str | None) -> float | None:
    return None if text in (None, "") else float(text)


def _count(text: str | None) -> int | None:
    number = _number(text)
    return None if number is None else int(number)


_CONVERT: dict[type, Callable[[str | None], Any]] = {int: _count, float: _number}
_ACTIVE_USERS = {"users_5m": "5m", "users_30m": "30m"}
_CONVERSION = {
    "sessions": int, "views": int, "carts": int, "checkouts": int, "purchases": int, "view_rate": float,
    "cart_rate": float, "checkout_rate": float, "purchase_rate": float, "conversion_rate": float, "revenue": float,
}  # fmt: skip
_PERFORMANCE = {
    "events_per_second": float, "stored_per_second": float, "lag_events": int, "batch_ms": float,
    "latency_p50_ms": float, "latency_p95_ms": float, "latency_p99_ms": float, "page_load_p75_ms": float,
}  # fmt: skip
_SERIES = {
    "events": int, "page_views": int, "purchases": int, "revenue": float, "active_users": int, "sessions": int,
}  # fmt: skip
_ANOMALIES = {
    "metric": str, "minute": datetime, "value": float, "expected": float, "lower_bound": float,
    "upper_bound": float, "score": float, "reason": str,
}  # fmt: skip
FUNNEL_STEPS = (
    ("sessions", "Session"), ("views", "Product viewed"), ("carts", "Added to cart"),
    ("checkouts", "Checkout begun"), ("purchases", "Purchase"),
)  # fmt: skip


def _active_users(fields: Mapping[str, str]) -> Iterator[Row]:
    yield {column: _count(fields.get(field)) for column, field in _ACTIVE_USERS.items()}


def _views(column: str) -> Callable[[Sequence[tuple[str, float]]], Iterator[Row]]:
    def rows(members: Sequence[tuple[str, float]]) -> Iterator[Row]:
        for member, views in members:
            yield {column: member, "views": int(views)}

    return rows


def _one_row(columns: Mapping[str, type]) -> Callable[[Mapping[str, str]], Iterator[Row]]:
    def rows(fields: Mapping[str, str]) -> Iterator[Row]:
        yield {column: _CONVERT[type_](fields.get(column)) for column, type_ in columns.items()}

    return rows


def _funnel(fields: Mapping[str, str]) -> Iterator[Row]:
    counts = [_count(fields.get(field)) or 0 for field, _ in FUNNEL_STEPS]
    of_previous = [1.0, *(after / before if before else 0.0 for before, after in pairwise(counts))]
    for step, (_, name) in enumerate(FUNNEL_STEPS):
        yield {
            "step": step + 1,
            "step_name": name,
            "sessions": counts[step],
            "share_of_previous": of_previous[step],
            "share_of_first": counts[step] / counts[0] if counts[0] else 0.0,
        }


def _lag(fields: Mapping[str, str]) -> Iterator[Row]:
    for partition in sorted(fields, key=int):
        yield {"partition": int(partition), "records": int(fields[partition])}


def _stages(fields: Mapping[str, str]) -> Iterator[Row]:
    for stage, milliseconds in fields.items():
        yield {"stage": stage, "ms": float(milliseconds)}


def _series(fields: Mapping[str, str]) -> Iterator[Row]:
    for minute in sorted(fields):
        figures = json.loads(fields[minute])
        yield {"minute": instant(minute), **{column: figures.get(column) for column in _SERIES}}


def _anomalies(text: str) -> Iterator[Row]:
    for anomaly in json.loads(text):
        yield {**{column: anomaly.get(column) for column in _ANOMALIES}, "minute": instant(anomaly["minute"])}


TABLES: dict[str, LiveTable] = {
    "live_active_users": LiveTable("live:active_users", Kind.HASH, dict.fromkeys(_ACTIVE_USERS, int), _active_users),
    "live_pages": LiveTable("live:pages", Kind.SORTED_SET, {"page_path": str, "views": int}, _views("page_path")),
    "live_page_groups": LiveTable(
        "live:page_groups", Kind.SORTED_SET, {"page_group": str, "views": int}, _views("page_group")
    ),
    "live_conversion": LiveTable("live:conversion", Kind.HASH, _CONVERSION, _one_row(_CONVERSION)),
    "live_funnel": LiveTable(
        "live:conversion",
        Kind.HASH,
        {"step": int, "step_name": str, "sessions": int, "share_of_previous": float, "share_of_first": float},
        _funnel,
    ),
    "live_performance": LiveTable("live:performance", Kind.HASH, _PERFORMANCE, _one_row(_PERFORMANCE)),
    "live_lag": LiveTable("live:lag", Kind.HASH, {"partition": int, "records": int}, _lag),
    "live_stages": LiveTable("live:stages", Kind.HASH, {"stage": str, "ms": float}, _stages),
    "live_series": LiveTable("live:series", Kind.HASH, {"minute": datetime, "is_complete": bool, **_SERIES}, _series),
    "live_anomalies": LiveTable("live:anomalies", Kind.STRING, _ANOMALIES, _anomalies),
}


def rows_of(table: LiveTable, value: Any, as_of: str | None) -> Iterator[Row]:
    """The rows of a table from what Redis returned; each carries ``as_of``, when the metrics were published.

    Where a table has ``is_complete`` it tells whether the row's minute was over by then.

    Raises ``ValueError`` or ``KeyError`` where the value is not what the key should hold.
    """
    if not value:
        return
    published = None if as_of is None else instant(as_of)
    for row in table.rows(value):
        if "is_complete" in table.columns:
            row["is_complete"] = published is not None and row["minute"] + MINUTE <= published
        yield {**row, "as_of": published}
