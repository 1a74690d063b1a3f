"""A slice of a Kafka partition as columns: what is accepted, enriched, and what is refused, with reasons.

Pure: bytes in, frames out. Deduplication and storage come after (`clickstream.warehouse.apply`).

Nearly every record holds only what the contract names: those are read in one typed step (`contract.read_known`) and
checked by columns. Every other record goes through `contract.decode`, which accepts the same and knows the reasons.
"""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
import polars_hash
import pyarrow as pa
from msgspec.structs import astuple
from numpy.typing import NDArray

from clickstream.contract import (
    MAX_EVENT_BYTES,
    UNREADABLE,
    Accepted,
    KnownEvent,
    KnownProperties,
    Reason,
    Rejected,
    decode,
    encode,
    is_event_type,
    read_known,
    time_is_refused,
    time_rejection,
)
from clickstream.enrich import enriched

MONEY_UNITS = 10_000  # money is counted in ten-thousandths: integer sums do not depend on their order

# Records whose Python objects stay in a core's cache: reading a large slice in one go takes three times as long.
_CHUNK = 1_000
# Records whose columns are made at a time: on the way they take more memory than what is left of them.
_PART = 50_000

# What the contract's types accept, as nearly everybody writes it; `decode` reads the rest.
_UUID = r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"
_TIME = r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z$"

_TEXTS = ("event_type", "user_id", "page_url", "session_id", "referrer", "user_agent")
_READ: dict[str, Any] = {
    "row": pl.Int64,
    "event_id": pl.Binary,
    "event_ms": pl.Int64,
    **dict.fromkeys(_TEXTS, pl.String),
    "properties": pl.Binary,
    "product_id": pl.String,
    "category": pl.String,
    "page_load_ms": pl.Float64,
    "revenue_e4": pl.Int64,
}
_READ_KNOWN = {name: kind for name, kind in _READ.items() if name != "row"} | {
    "event_id": pl.String,
    "event_ms": pl.String,
}

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
    "page_group": pl.String,
    "referrer": pl.String,
    "referrer_medium": pl.String,
    "user_agent": pl.String,
    "device": pl.String,
    "browser": pl.String,
    "bot": pl.String,
    "properties": pl.Binary,
    "product_id": pl.String,
    "category": pl.String,
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
    """The records of one partition slice in offset order; arrays of equal length.

    `values` is binary, null for a tombstone; `history` marks records that a replay or a backfill produced (header
    ``source``): old, but not late.
    """

    values: pa.Array | pa.ChunkedArray
    offsets: NDArray[np.int64]
    kafka_ms: NDArray[np.int64]
    history: NDArray[np.bool_]

    def parts(self, size: int) -> Iterator["Records"]:
        """All of them, at most `size` at a time."""
        for at in range(0, len(self.offsets), size):
            part = slice(at, at + size)
            yield Records(self.values[part], self.offsets[part], self.kafka_ms[part], self.history[part])


@dataclass(frozen=True)
class Decoded:
    """`events` by EVENTS_SCHEMA, one row an event that the contract accepts; `dead_letters` the others."""

    events: pl.DataFrame
    dead_letters: pl.DataFrame


class _Refused(NamedTuple):
    row: int
    why: Rejected


@contextmanager
def collector_rests() -> Iterator[None]:
    """For what makes some hundred thousand small objects and no cycles: collecting would only walk them."""
    worked = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if worked:
            gc.enable()


@collector_rests()
def decode_slice(records: Records, future_tolerance_ms: int) -> Decoded:
    """Decode, check against the Kafka time and enrich every record. Each record ends in exactly one frame."""
    parts = [_decode(part, future_tolerance_ms) for part in records.parts(_PART)]
    events = [pl.DataFrame(schema=EVENTS_SCHEMA), *(part.events for part in parts)]
    dead_letters = [pl.DataFrame(schema=DEAD_LETTERS_SCHEMA), *(part.dead_letters for part in parts)]
    return Decoded(pl.concat(events, rechunk=True), pl.concat(dead_letters))


def _decode(records: Records, future_tolerance_ms: int) -> Decoded:
    known, others = _read_known_records(records.values)
    results = [(row, decode(records.values[row].as_py())) for row in others]
    letters = [_Refused(row, result) for row, result in results if isinstance(result, Rejected)]
    accepted = [(row, result) for row, result in results if isinstance(result, Accepted)]
    read = pl.concat([known, _accepted_frame(accepted)]) if accepted else known
    rows, event_ms = read["row"].to_numpy(), read["event_ms"].to_numpy()
    kafka_ms = records.kafka_ms[rows]
    wrong = time_is_refused(event_ms, kafka_ms, future_tolerance_ms)
    for place in np.flatnonzero(wrong).tolist():
        why = time_rejection(int(event_ms[place]), int(kafka_ms[place]), future_tolerance_ms)
        assert why is not None  # noqa: S101 - both say what is wrong with a time
        letters.append(_Refused(int(rows[place]), why))
    return Decoded(_events(records, read.filter(~wrong)), _dead_letters(records, letters))


def _read_known_records(values: pa.Array | pa.ChunkedArray) -> tuple[pl.DataFrame, list[int]]:
    """The records that hold only what the contract names, by _READ; and the rows of all others."""
    readable = np.ones(len(values), dtype=np.bool_)
    frames = [pl.DataFrame(schema=_READ_KNOWN)]
    for start in range(0, len(values), _CHUNK):
        events: list[KnownEvent] = []
        for row, value in enumerate(values[start : start + _CHUNK].to_pylist(), start):
            try:
                events.append(read_known(value))
            except UNREADABLE:
                readable[row] = False
        if events:
            frames.append(_known_frame(events))
    rows = np.flatnonzero(readable)
    texts = pl.concat(frames)
    types = [kind for kind in texts["event_type"].unique() if is_event_type(kind)]
    checked = texts.with_columns(
        pl.col("event_id").str.replace_all("-", "", literal=True).str.decode("hex", strict=False),
        pl.col("event_ms").str.to_datetime("%+", time_unit="us", strict=False).dt.epoch("us") // 1_000,
        row=pl.Series(rows, dtype=pl.Int64),
        _good=pl.col("event_id").str.contains(_UUID)
        & pl.col("event_ms").str.contains(_TIME)
        & pl.col("event_type").is_in(types)
        & ~pl.Series(_too_large_or_nul(values)[rows]),
    )
    known = checked.filter(pl.col("_good") & pl.col("event_ms").is_not_null()).select(list(_READ))
    return known, np.setdiff1d(np.arange(len(values)), known["row"].to_numpy(), assume_unique=True).tolist()


def _too_large_or_nul(values: pa.Array | pa.ChunkedArray) -> NDArray[np.bool_]:
    binary = pl.Series(pl.from_arrow(values), dtype=pl.Binary).bin
    return ((binary.size() > MAX_EVENT_BYTES) | binary.contains(b"\\u0000")).fill_null(False).to_numpy()


_NO_PROPERTIES = KnownProperties()


def _known_frame(events: list[KnownEvent]) -> pl.DataFrame:
    """At least one event by _READ_KNOWN: id and time are text still."""
    told = _columns(events)
    properties = [found or _NO_PROPERTIES for found in told["properties"]]
    known = _columns(properties)
    columns: dict[str, Any] = {
        "event_id": told["event_id"],
        "event_ms": told["event_time"],
        **{name: told[name] for name in _TEXTS},
        "properties": list(map(encode, properties)),
        "product_id": known["product_id"],
        "category": known["category"],
        "page_load_ms": pl.Series(known["page_load_ms"], dtype=pl.Float64, strict=False),
        "revenue_e4": [
            revenue_e4(price, quantity) if kind == "purchase" else 0
            for kind, price, quantity in zip(told["event_type"], known["price"], known["quantity"], strict=True)
        ],
    }
    return pl.DataFrame(columns, schema=_READ_KNOWN)


def _columns(structs: Sequence[msgspec.Struct]) -> dict[str, tuple[Any, ...]]:
    """The fields of structs of one type, at least one: an attribute at a time takes three times as long."""
    return dict(zip(structs[0].__struct_fields__, zip(*map(astuple, structs), strict=True), strict=True))


def _accepted_frame(accepted: list[tuple[int, Accepted]]) -> pl.DataFrame:
    """By _READ."""
    events = [found.event for _, found in accepted]
    columns: dict[str, Any] = {
        "row": [row for row, _ in accepted],
        "event_id": [event.event_id.bytes for event in events],
        "event_ms": _milliseconds([event.event_time for event in events]),
        **{name: list(map(attrgetter(name), events)) for name in _TEXTS},
        "properties": [found.properties_json for _, found in accepted],
        "product_id": [found.properties.product_id for _, found in accepted],
        "category": [found.properties.category for _, found in accepted],
        "page_load_ms": [found.properties.page_load_ms for _, found in accepted],
        "revenue_e4": [
            revenue_e4(found.properties.price, found.properties.quantity) if found.event.event_type == "purchase" else 0
            for _, found in accepted
        ],
    }
    return pl.DataFrame(columns, schema=_READ)


def _milliseconds(times: list[datetime]) -> NDArray[np.int64]:
    """Unix milliseconds, rounded down. Microseconds are exact in a double until the year 2255."""
    seconds = np.fromiter((time.timestamp() for time in times), dtype=np.float64, count=len(times))
    return np.round(seconds * 1e6).astype(np.int64) // 1_000


def conflicts(events: pl.DataFrame, records: Records) -> pl.DataFrame:
    """Dead letters for events whose id was accepted before with other content."""
    return refused(
        events,
        records,
        Rejected(Reason.CONFLICT, "another event with other content has this event_id - at `$.event_id`"),
    )


def refused(events: pl.DataFrame, records: Records, why: Rejected) -> pl.DataFrame:
    """Dead letters for events (kafka_offset) of a slice's records that are refused for one reason."""
    rows = np.searchsorted(records.offsets, events["kafka_offset"].to_numpy())
    return _dead_letters(records, [_Refused(row, why) for row in rows.tolist()])


def event_days(events: pl.DataFrame) -> set[date]:
    """The UTC dates of events."""
    days = events.select(pl.col("event_ms").cast(pl.Datetime("ms")).dt.date().unique().alias("day"))
    return set(days["day"].to_list())


def _events(records: Records, read: pl.DataFrame) -> pl.DataFrame:
    rows = read["row"].to_numpy()
    return enriched(
        read.with_columns(
            kafka_offset=records.offsets[rows],
            kafka_ms=records.kafka_ms[rows],
            history=records.history[rows],
            content_hash=_content_hash(read),
        )
    ).select(pl.col(name).cast(kind) for name, kind in EVENTS_SCHEMA.items())


def _content_hash(read: pl.DataFrame) -> pl.Series:
    """63 bits of what an event says, however it is written: key order and white space make no conflict."""
    said = [pl.col(name).fill_null("\x01") for name in _TEXTS]
    content = pl.concat_str(pl.col("event_ms"), *said, pl.col("properties").cast(pl.String), separator="\0")
    texts = read.select(content.alias("content"))
    hashes = texts.select(polars_hash.col("content").nchash.xxh3_64(seed=0)).to_series()
    return pl.Series(hashes.to_numpy() >> np.uint64(1)).cast(pl.Int64)


def revenue_e4(price: float | None, quantity: int | None) -> int:
    """Price × quantity in ten-thousandths; a missing quantity is one piece, a missing price is nothing."""
    return round((price or 0.0) * (1 if quantity is None else quantity) * MONEY_UNITS)


def _dead_letters(records: Records, refused: Sequence[_Refused]) -> pl.DataFrame:
    rows = np.fromiter((row for row, _ in refused), dtype=np.int64, count=len(refused))
    columns: dict[str, Any] = {
        "kafka_offset": records.offsets[rows],
        "kafka_ms": records.kafka_ms[rows],
        "reason": [str(why.reason) for _, why in refused],
        # A detail may quote the payload: what PostgreSQL cannot store as text is escaped.
        "detail": [_storable(why.detail) for _, why in refused],
        "payload": [records.values[row].as_py() for row, _ in refused],
    }
    return pl.DataFrame(columns, schema=DEAD_LETTERS_SCHEMA)


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:1_000]
