"""A slice of a Kafka partition as columns: what is accepted, enriched, and what is refused, with reasons.

Pure: bytes in, frames out. Deduplication and storage come after (`clickstream.warehouse.apply`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import polars as pl
import xxhash
from numpy.typing import NDArray

from clickstream.contract import Accepted, Reason, Rejected, decode, time_is_refused, time_rejection
from clickstream.enrich import read_agent, read_page, referrer_medium

MONEY_UNITS = 10_000  # money is counted in ten-thousandths: integer sums do not depend on their order

_read_json = msgspec.json.Decoder().decode
_canonical = msgspec.json.Encoder(order="deterministic").encode

EVENTS_SCHEMA: dict[str, Any] = {
    "kafka_offset": pl.Int64,
    "kafka_ms": pl.Int64,
    "content_hash": pl.Int64,
    "history": pl.Boolean,
    "event_id": pl.Binary,
    "event_ms": pl.Int64,
    "event_type": pl.String,
    "user_id": pl.String,
    "session_id": pl.String,
    "page_url": pl.String,
    "page_path": pl.String,
    "referrer": pl.String,
    "referrer_medium": pl.String,
    "user_agent": pl.String,
    "device": pl.String,
    "browser": pl.String,
    "bot": pl.String,
    "properties": pl.Binary,
    "page_load_ms": pl.Float64,
    "revenue_e4": pl.Int64,
}
DEAD_LETTERS_SCHEMA: dict[str, Any] = {
    "kafka_offset": pl.Int64,
    "kafka_ms": pl.Int64,
    "reason": pl.String,
    "detail": pl.String,
    "payload": pl.Binary,
}


@dataclass(frozen=True)
class Records:
    """The records of one partition slice in offset order; parallel sequences of equal length.

    `history` marks records that a replay or a backfill produced (header ``source``): old, but not late.
    """

    values: Sequence[bytes | None]
    offsets: Sequence[int]
    kafka_ms: Sequence[int]
    history: Sequence[bool]


@dataclass(frozen=True)
class Decoded:
    """`events` by EVENTS_SCHEMA, one row an event that the contract accepts; `dead_letters` the others."""

    events: pl.DataFrame
    dead_letters: pl.DataFrame


def decode_slice(records: Records, future_tolerance_ms: int) -> Decoded:
    """Decode, check against the Kafka time and enrich every record. Each record ends in exactly one frame."""
    results = [decode(value) for value in records.values]
    bad = [(row, result) for row, result in enumerate(results) if isinstance(result, Rejected)]
    good = [(row, result) for row, result in enumerate(results) if isinstance(result, Accepted)]
    event_ms = _milliseconds([accepted.event.event_time for _, accepted in good])
    kafka_ms = np.asarray(records.kafka_ms, dtype=np.int64)[[row for row, _ in good]]
    wrong = time_is_refused(event_ms, kafka_ms, future_tolerance_ms)
    for place in np.flatnonzero(wrong).tolist():
        refused = time_rejection(int(event_ms[place]), int(kafka_ms[place]), future_tolerance_ms)
        if refused:
            bad.append((good[place][0], refused))
    if wrong.any():
        good = [accepted for accepted, is_wrong in zip(good, wrong.tolist(), strict=True) if not is_wrong]
    return Decoded(_events(records, good, event_ms[~wrong].tolist()), _dead_letters(records, bad))


def _milliseconds(times: list[datetime]) -> NDArray[np.int64]:
    """Unix milliseconds, rounded down. Microseconds are exact in a double until the year 2255."""
    seconds = np.fromiter((time.timestamp() for time in times), dtype=np.float64, count=len(times))
    return np.round(seconds * 1e6).astype(np.int64) // 1_000


def conflicts(events: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Dead letters for events whose id was accepted before with other content."""
    if events.is_empty():
        return _dead_letters(records, [])
    row_of = {offset: row for row, offset in enumerate(records.offsets)}
    refused = Rejected(Reason.CONFLICT, "another event with other content has this event_id - at `$.event_id`")
    return _dead_letters(records, [(row_of[offset], refused) for offset in events["kafka_offset"]])


def event_days(events: pl.DataFrame) -> set[date]:
    """The UTC dates of events."""
    days = events.select(pl.col("event_ms").cast(pl.Datetime("ms")).dt.date().unique().alias("day"))
    return set(days["day"].to_list())


def _events(records: Records, good: list[tuple[int, Accepted]], times: list[int]) -> pl.DataFrame:
    rows = [row for row, _ in good]
    events = [accepted.event for _, accepted in good]
    typed = [accepted.properties for _, accepted in good]
    pages = [read_page(event.page_url) for event in events]
    agents = [read_agent(event.user_agent) for event in events]
    columns: dict[str, Any] = {
        "kafka_offset": [records.offsets[row] for row in rows],
        "kafka_ms": [records.kafka_ms[row] for row in rows],
        "content_hash": [content_hash(accepted, ms) for (_, accepted), ms in zip(good, times, strict=True)],
        "history": [records.history[row] for row in rows],
        "event_id": [event.event_id.bytes for event in events],
        "event_ms": times,
        "event_type": list(map(attrgetter("event_type"), events)),
        "user_id": list(map(attrgetter("user_id"), events)),
        "session_id": list(map(attrgetter("session_id"), events)),
        "page_url": list(map(attrgetter("page_url"), events)),
        "page_path": [page.path for page in pages],
        "referrer": list(map(attrgetter("referrer"), events)),
        "referrer_medium": [referrer_medium(e.referrer, page) for e, page in zip(events, pages, strict=True)],
        "user_agent": list(map(attrgetter("user_agent"), events)),
        "device": [agent.device for agent in agents],
        "browser": [agent.browser for agent in agents],
        "bot": [agent.bot for agent in agents],
        "properties": [accepted.properties_json for _, accepted in good],
        "page_load_ms": list(map(attrgetter("page_load_ms"), typed)),
        "revenue_e4": [
            revenue_e4(p.price, p.quantity) if e.event_type == "purchase" else 0
            for e, p in zip(events, typed, strict=True)
        ],
    }
    return pl.DataFrame(columns, schema=EVENTS_SCHEMA)


def content_hash(accepted: Accepted, event_ms: int) -> int:
    """63 bits of what an event says, however it is written: key order and white space make no conflict."""
    event, raw = accepted.event, accepted.properties_json
    properties = raw if raw == b"{}" else _canonical(_read_json(raw))
    said = f"{event_ms}\0{event.event_type}\0{event.user_id}\0{event.session_id}\0{event.page_url}\0"
    rest = f"{event.referrer}\0{event.user_agent}\0"
    return xxhash.xxh3_64_intdigest((said + rest).encode() + properties) >> 1


def revenue_e4(price: float | None, quantity: int | None) -> int:
    """Price × quantity in ten-thousandths; a missing quantity is one piece, a missing price is nothing."""
    return round((price or 0.0) * (1 if quantity is None else quantity) * MONEY_UNITS)


def _dead_letters(records: Records, bad: list[tuple[int, Rejected]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "kafka_offset": [records.offsets[row] for row, _ in bad],
            "kafka_ms": [records.kafka_ms[row] for row, _ in bad],
            "reason": [str(rejected.reason) for _, rejected in bad],
            # A detail may quote the payload: what PostgreSQL cannot store as text is escaped.
            "detail": [_storable(rejected.detail) for _, rejected in bad],
            "payload": [records.values[row] for row, _ in bad],
        },
        schema=DEAD_LETTERS_SCHEMA,
    )


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:1_000]
