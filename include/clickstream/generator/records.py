"""Rows become what Kafka carries: keys and JSON values, written through the contract's own types."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from clickstream.contract import Event, Properties, encode
from clickstream.generator.catalog import (
    ELEMENTS,
    FIRST_CODE,
    PRICES,
    PRODUCT_CATEGORIES,
    PRODUCT_IDS,
    SEARCH_TERMS,
    Page,
    page_urls,
)
from clickstream.generator.events import TYPES, Rows
from clickstream.generator.faults import FAULTS, NO_FAULT
from clickstream.generator.options import GeneratorOptions
from clickstream.generator.randomness import I64, NORMAL, hexadecimal, index, mix, uuids
from clickstream.generator.schedule import MINUTE_MS, SLOW_PAGES, effect
from clickstream.generator.sessions import COVERT_BOTS, DECLARED_BOTS, user_keys
from clickstream.generator.visitors import DECLARED_BOT, KIND_NAMES, PERSON, SOURCES, USER_AGENTS

_ID_HIGH, _ID_LOW, _VALUE, _ORDER, _USER_HIGH, _USER_LOW, _CLICK_ID = range(40, 47)
_LOAD_MS = np.exp(0.55 * NORMAL)
_MEDIAN_LOAD_MS = np.array([900, 1_500, 1_300, 700])  # desktop, mobile, tablet, crawler
_DEPTHS = np.array([10, 25, 25, 50, 50, 50, 75, 75, 90, 100])
_QUANTITIES: I64 = np.array([1, 1, 1, 1, 1, 1, 1, 2, 2, 3])
_SECONDS = [f"{ms // 1000:02}.{ms % 1000:03}Z" for ms in range(MINUTE_MS)]
_VIEW, _CLICK, _SCROLL, _SEARCH = (TYPES.index(name) for name in ("page_view", "click", "scroll", "search"))
_PURCHASE = TYPES.index("purchase")


class Record(NamedTuple):
    """One Kafka record and when it is sent (Unix ms)."""

    key: bytes
    value: bytes
    emit_ms: int


@dataclass(frozen=True)
class Batch:
    """Records in the order of sending; parallel sequences. The key is the user id in UTF-8.

    ``duplicates``: repeats by minute of sending (Unix ms). ``malformed``: counts by (minute, fault).
    ``bots``: kind by user id.
    """

    emit_ms: I64
    keys: list[bytes]
    values: list[bytes]
    duplicates: Counter[int]
    malformed: Counter[tuple[int, str]]
    bots: dict[str, str]

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Record]:
        return map(Record, self.keys, self.values, self.emit_ms.tolist())


@lru_cache(maxsize=2)
def user_ids(seed: int, users: int) -> tuple[list[str], list[bytes]]:
    """The id of every user, bots after people, as text and as Kafka keys."""
    keys = user_keys(seed, np.arange(users + DECLARED_BOTS + COVERT_BOTS, dtype=np.int32))
    ids = uuids(mix(keys, _USER_HIGH), mix(keys, _USER_LOW))
    return ids, [user_id.encode() for user_id in ids]


def encode_rows(options: GeneratorOptions, rows: Rows) -> Batch:
    """Encode rows that are sorted by time of sending."""
    ids, keys = user_ids(options.seed, options.users)
    users = rows["user"].tolist()
    values = list(map(encode, _events(options, rows, [ids[user] for user in users])))
    minutes = rows["emit"] // MINUTE_MS * MINUTE_MS
    malformed: Counter[tuple[int, str]] = Counter()
    for row in np.flatnonzero(rows["fault"] != NO_FAULT).tolist():
        fault = FAULTS[rows["fault"][row]]
        values[row] = fault.apply(values[row])
        malformed[int(minutes[row]), fault.name] += 1
    bots = rows[rows["kind"] != PERSON]
    return Batch(
        rows["emit"].copy(),
        [keys[user] for user in users],
        values,
        Counter(minutes[rows["repeat"] == 1].tolist()),
        malformed,
        {ids[user]: KIND_NAMES[kind] for user, kind in zip(bots["user"].tolist(), bots["kind"].tolist(), strict=True)},
    )


def _events(options: GeneratorOptions, rows: Rows, users: list[str]) -> Iterator[Event]:
    """The events of the rows. Ids and times go in as the text that they are in JSON: the encoder's own way
    through UUID and datetime objects would cost more than all the rest, and print microseconds."""
    event_ids: list[Any] = uuids(mix(rows["key"], _ID_HIGH), mix(rows["key"], _ID_LOW))
    times: list[Any] = _times(rows["time"])
    client_sessions = hexadecimal(rows["session"])
    for row in np.flatnonzero(rows["kind"] == DECLARED_BOT).tolist():
        client_sessions[row] = ""  # crawlers keep no session
    return map(
        Event,
        event_ids,
        [TYPES[number] for number in rows["type"].tolist()],
        times,
        users,
        _urls(options, rows),
        [session or None for session in client_sessions],
        _referrers(options, rows),
        [USER_AGENTS[agent] for agent in rows["agent"].tolist()],
        _properties(options, rows),
    )


def _times(times: I64) -> list[str]:
    """RFC 3339 in UTC with milliseconds."""
    minutes, rest = np.divmod(times, MINUTE_MS)
    texts = {
        minute: datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:") for minute in set(minutes.tolist())
    }
    return [texts[minute] + _SECONDS[ms] for minute, ms in zip(minutes.tolist(), rest.tolist(), strict=True)]


def _urls(options: GeneratorOptions, rows: Rows) -> list[str]:
    """The page of each event; campaign parameters and click ids stand on the first page of a session."""
    table = page_urls(options.host)
    urls = [table[code] for code in rows["code"].tolist()]
    with_query = np.array([bool(source.query) for source in SOURCES])
    landed = np.flatnonzero((rows["came_from"] < 0) & with_query[rows["source"]])
    click_ids = hexadecimal(mix(rows["session"][landed], _CLICK_ID))
    for row, source, click_id in zip(landed.tolist(), rows["source"][landed].tolist(), click_ids, strict=True):
        query = SOURCES[source].query.replace("{id}", f"Cj0KCQ{click_id}")
        urls[row] += ("&" if "?" in urls[row] else "?") + query
    return urls


def _referrers(options: GeneratorOptions, rows: Rows) -> list[str | None]:
    """The page before, or where the session came from."""
    outside = [source.referrer for source in SOURCES]
    table: list[str | None] = [*page_urls(options.host), *outside]
    first_outside = len(table) - len(outside)
    where = np.where(rows["came_from"] >= 0, rows["came_from"], first_outside + rows["source"].astype(np.int64))
    return [table[code] for code in where.tolist()]


def load_ms(options: GeneratorOptions, rows: Rows) -> I64:
    """The load time that each row's page view tells, in ms (of other rows: without meaning)."""
    load = _MEDIAN_LOAD_MS[rows["device"]] * _LOAD_MS[_draw(rows)] * effect(options, SLOW_PAGES, rows["time"], 1.0)
    return np.asarray(load, dtype=np.int64)


def quantities(rows: Rows) -> I64:
    """How many pieces each row's cart or order event tells (of other rows: without meaning)."""
    return _QUANTITIES[_draw(rows) % len(_QUANTITIES)]


def _draw(rows: Rows) -> I64:
    """The uniform index from which a row's values follow."""
    return index(mix(rows["key"], _VALUE))


def _properties(options: GeneratorOptions, rows: Rows) -> list[Properties]:
    """What each type of event tells beside the common fields."""
    draw = _draw(rows)
    types, found = rows["type"], np.empty(len(rows), dtype=object)
    terms = (rows["code"] - FIRST_CODE[Page.SEARCH]).tolist()
    products, loads, values = rows["product"].tolist(), load_ms(options, rows).tolist(), draw.tolist()
    pieces = quantities(rows).tolist()
    depths = _DEPTHS[draw * len(_DEPTHS) // len(NORMAL)].tolist()
    for row in np.flatnonzero(types == _CLICK).tolist():
        found[row] = Properties(element_id=ELEMENTS[values[row] % len(ELEMENTS)])
    for row in np.flatnonzero(types == _SCROLL).tolist():
        found[row] = Properties(scroll_depth=depths[row])
    for row in np.flatnonzero(types == _SEARCH).tolist():
        found[row] = Properties(search_term=SEARCH_TERMS[terms[row]])
    for row in np.flatnonzero(types == _VIEW).tolist():
        found[row] = _product(products[row], page_load_ms=loads[row])
    others = np.flatnonzero(~np.isin(types, (_CLICK, _SCROLL, _SEARCH, _VIEW)))
    orders = hexadecimal(mix(rows["session"], rows["time"] * 64 + _ORDER)[others])
    for row, order, kind in zip(others.tolist(), orders, types[others].tolist(), strict=True):
        order_id = f"O-{order[:12]}" if kind == _PURCHASE else None
        found[row] = _product(products[row], quantity=pieces[row], order_id=order_id)
    return found.tolist()


def _product(
    product: int, quantity: int | None = None, order_id: str | None = None, page_load_ms: float | None = None
) -> Properties:
    if product < 0:
        return Properties(order_id=order_id, page_load_ms=page_load_ms)
    return Properties(
        PRODUCT_IDS[product], PRODUCT_CATEGORIES[product], PRICES[product], quantity, order_id, None, None, page_load_ms
    )
