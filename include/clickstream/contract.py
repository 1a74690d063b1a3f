"""The event: one typed definition that the generator writes, the stream reads and the docs are made from.

`decode` never raises for bad input: it returns an `Accepted` or a `Rejected` with a reason code and a
detail that names the field. Times are checked apart (`time_is_refused`), because they need the record's
Kafka time.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
from msgspec import Meta, Raw, Struct
from numpy.typing import NDArray

MAX_EVENT_BYTES = 65_536
MAX_PROPERTIES_BYTES = 16_384
MAX_PROPERTIES_DEPTH = 8
MAX_PRICE = 1e8
MAX_QUANTITY = 10_000
MAX_LOAD_MS = 86_400_000
OLDEST_EVENT_MS = 946_684_800_000  # 2000-01-01T00:00:00Z; before it a clock is broken, not a visitor

EVENT_TYPES = (
    "page_view", "click", "scroll", "search", "view_item", "add_to_cart", "remove_from_cart",
    "begin_checkout", "add_payment_info", "purchase", "sign_up", "login",
)  # fmt: skip
KEY_EVENTS = ("purchase", "sign_up")

Identifier = Annotated[str, Meta(max_length=128)]
EventType = Annotated[
    str,
    # The lookahead keeps Python's `$` from matching before a trailing newline; other dialects agree.
    Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$(?!\n)", description="snake_case; unknown ones are custom events"),
]
Url = Annotated[str, Meta(max_length=2_048)]


class Reason(StrEnum):
    """Why a record is a dead letter."""

    NOT_JSON = "not_json"
    CONTRACT = "contract"
    TOO_LARGE = "too_large"
    FUTURE = "future"
    TOO_OLD = "too_old"
    CONFLICT = "conflict"
    ERASED = "erased"


class Properties(Struct, omit_defaults=True):
    """The typed part of ``properties``; other keys are kept as JSON beside it."""

    product_id: Identifier | None = None
    category: Identifier | None = None
    price: Annotated[float, Meta(ge=0, le=MAX_PRICE, description="of one piece")] | None = None
    quantity: Annotated[int, Meta(ge=0, le=MAX_QUANTITY)] | None = None
    order_id: Identifier | None = None
    search_term: Annotated[str, Meta(max_length=512)] | None = None
    scroll_depth: Annotated[float, Meta(ge=0, le=100, description="percent")] | None = None
    page_load_ms: Annotated[float, Meta(ge=0, le=MAX_LOAD_MS)] | None = None
    element_id: Identifier | None = None


class EventFields(Struct, omit_defaults=True, kw_only=False):
    """What every event has beside its properties."""

    event_id: Annotated[UUID, Meta(description="the identity for deduplication")]
    event_type: EventType
    event_time: Annotated[datetime, Meta(tz=True, description="RFC 3339; stored in UTC, millisecond precision")]
    user_id: Annotated[str, Meta(min_length=1, max_length=128, description="the anonymous device id")]
    page_url: Annotated[str, Meta(min_length=1, max_length=2_048)]
    session_id: Annotated[str, Meta(max_length=128, description="the client's own; kept, not believed")] | None = None
    referrer: Url | None = None
    user_agent: Annotated[str, Meta(max_length=1_024)] | None = None


class Event(EventFields):
    """An event as a producer writes it."""

    properties: Properties = msgspec.field(default_factory=Properties)


class Envelope(EventFields, forbid_unknown_fields=True):
    """An event as the stream reads it: the properties stay the bytes that came."""

    properties: Raw = Raw(b"")


class _KnownType(Envelope, forbid_unknown_fields=True):
    """Matching the pattern costs as much as all other fields, so that a type is matched once and then looked up."""

    event_type: str


class KnownProperties(Properties, forbid_unknown_fields=True, gc=False):
    """Properties that the contract names and no others; a whole number stays whole when it is written again."""

    price: Annotated[int, Meta(ge=0, le=int(MAX_PRICE))] | Annotated[float, Meta(ge=0, le=MAX_PRICE)] | None = None
    scroll_depth: Annotated[int, Meta(ge=0, le=100)] | Annotated[float, Meta(ge=0, le=100)] | None = None
    page_load_ms: Annotated[int, Meta(ge=0, le=MAX_LOAD_MS)] | Annotated[float, Meta(ge=0, le=MAX_LOAD_MS)] | None = (
        None
    )


class KnownEvent(EventFields, forbid_unknown_fields=True, gc=False):
    """Nearly every record: only what the contract names. Its id, type and time are checked by columns (`slice`)."""

    event_id: str  # type: ignore[assignment]
    event_type: str
    event_time: str  # type: ignore[assignment]
    properties: KnownProperties | None = None


class Accepted(NamedTuple):
    """A valid record: the envelope, its typed properties and the JSON object to store (`canonical`)."""

    event: Envelope
    properties: Properties
    properties_json: bytes


class Rejected(NamedTuple):
    """A refused record: why, and what and where in it."""

    reason: Reason
    detail: str


_ENVELOPE = msgspec.json.Decoder(_KnownType)
_matched_types = set(EVENT_TYPES)
_MAX_MATCHED_TYPES = 1_000
_PROPERTIES = msgspec.json.Decoder(Properties)
_KNOWN_PROPERTIES = msgspec.json.Decoder(KnownProperties)
_ANY = msgspec.json.Decoder()
_sorted = msgspec.json.Encoder(order="deterministic").encode
_NO_PROPERTIES = Properties()
_FIELDS = frozenset(Envelope.__struct_fields__)
# PostgreSQL's jsonb and Python refuse numbers far beyond a double; only such ones (or text like them) pay.
_LARGE_NUMBER = re.compile(rb"[eE][+-]?\d{2}|\d{309}")
encode = msgspec.json.Encoder().encode
# The fast way into `decode`: a record that this reads, `decode` accepts too if its id, type and time are good and it
# is neither too large nor holds NUL. One of UNREADABLE is raised for every other: only `decode` can tell what it is.
read_known: Callable[[bytes], KnownEvent] = msgspec.json.Decoder(KnownEvent).decode
UNREADABLE = (msgspec.DecodeError, ValueError, TypeError, RecursionError)  # what msgspec raises for bad input


def canonical(properties: bytes) -> bytes:
    """A JSON object's one way of being written: key order, white space and nulls of typed properties do not show."""
    try:
        return encode(_KNOWN_PROPERTIES.decode(properties))
    except UNREADABLE:
        document = _ANY.decode(properties)
        known = Properties.__struct_fields__
        return _sorted({key: value for key, value in document.items() if value is not None or key not in known})


def decode(value: bytes | None) -> Accepted | Rejected:
    """Decode one record value strictly. ``None`` (a Kafka tombstone) is ``not_json``."""
    if not value:
        return Rejected(Reason.NOT_JSON, "empty record")
    if len(value) > MAX_EVENT_BYTES:
        return Rejected(Reason.TOO_LARGE, f"{len(value):,} bytes, at most {MAX_EVENT_BYTES:,}")
    try:
        if not value.isascii():
            value.decode()  # what msgspec skips inside Raw it does not check to be UTF-8
        if b"\\" in value and b"\\u" in value:
            _refuse_unstorable(value)
        event = _ENVELOPE.decode(value)
        if not is_event_type(event.event_type):
            return _decode_carefully(value)
        raw = bytes(event.properties)
        if not raw or raw == b"null":
            return Accepted(event, _NO_PROPERTIES, b"{}")
        typed = _PROPERTIES.decode(raw)
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError, RecursionError):
        return _decode_carefully(value)
    if (
        len(raw) > MAX_PROPERTIES_BYTES
        or raw.count(b"{") + raw.count(b"[") > MAX_PROPERTIES_DEPTH
        or _LARGE_NUMBER.search(raw)
    ):
        return _decode_carefully(value)
    return Accepted(event, typed, canonical(raw))


def time_is_refused(
    event_ms: NDArray[np.int64], kafka_ms: NDArray[np.int64], future_tolerance_ms: int
) -> NDArray[np.bool_]:
    """Which times lie after their Kafka time by more than the tolerance, or before 2000 (all in Unix ms)."""
    return (event_ms > kafka_ms + future_tolerance_ms) | (event_ms < OLDEST_EVENT_MS)


def time_rejection(
    event_ms: int, kafka_ms: int, future_tolerance_ms: int, oldest_ms: int = OLDEST_EVENT_MS
) -> Rejected | None:
    """The reason for one time that `time_is_refused`; None for a good one.

    ``oldest_ms``: where retention keeps less, midnight of the first day that is kept.
    """
    if event_ms > kafka_ms + future_tolerance_ms:
        return Rejected(Reason.FUTURE, f"event_time is {(event_ms - kafka_ms) / 1000:,.0f} s after its Kafka time")
    return too_old(oldest_ms) if event_ms < oldest_ms else None


def too_old(oldest_ms: int) -> Rejected:
    """Why events before a midnight are refused."""
    return Rejected(Reason.TOO_OLD, f"event_time is before {datetime.fromtimestamp(oldest_ms // 1_000, UTC):%Y-%m-%d}")


def json_schema() -> dict[str, Any]:
    """The contract as a JSON Schema document."""
    schema = msgspec.json.schema(Event)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Clickstream event"
    return schema


def is_event_type(event_type: str) -> bool:
    """Whether it is a known type or a well-formed custom one."""
    if event_type in _matched_types:
        return True
    try:
        msgspec.convert(event_type, EventType)
    except msgspec.ValidationError:
        return False
    if len(_matched_types) < _MAX_MATCHED_TYPES:
        _matched_types.add(event_type)
    return True


def _decode_carefully(value: bytes) -> Accepted | Rejected:
    """The slow path: find the reason, or accept what the fast path could not (unknown fields, long lists)."""
    try:
        document = _ANY.decode(value.decode())
    except RecursionError:
        return Rejected(Reason.CONTRACT, "nested too deeply to read")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _undecodable(value, str(error))
    if not isinstance(document, dict):
        return Rejected(Reason.CONTRACT, f"expected an object, got {type(document).__name__} - at `$`")
    properties = document.get("properties")
    if properties is not None and not isinstance(properties, dict):
        return Rejected(Reason.CONTRACT, f"expected an object, got {type(properties).__name__} - at `$.properties`")
    unknown = {key: document.pop(key) for key in list(document) if key not in _FIELDS}
    merged = {**unknown, **(properties or {})}
    if _depth(merged) > MAX_PROPERTIES_DEPTH:
        return Rejected(Reason.CONTRACT, f"more than {MAX_PROPERTIES_DEPTH} levels - at `$.properties`")
    document["properties"] = merged
    for place, text in _texts(document, "$"):
        if "\0" in text:
            return Rejected(Reason.CONTRACT, f"contains NUL (\\u0000) - at `{place}`")
    raw = encode(merged)
    if len(raw) > MAX_PROPERTIES_BYTES:
        return Rejected(Reason.TOO_LARGE, f"{len(raw):,} bytes, at most {MAX_PROPERTIES_BYTES:,} - at `$.properties`")
    try:
        typed = msgspec.convert(merged, Properties)
    except msgspec.ValidationError as error:
        return Rejected(Reason.CONTRACT, _placed(str(error), properties or {}))
    try:
        event = msgspec.convert({**document, "properties": Raw(raw)}, Envelope)
    except msgspec.ValidationError as error:
        return Rejected(Reason.CONTRACT, str(error))
    return Accepted(event, typed, canonical(raw))


def _placed(detail: str, properties: dict[str, Any]) -> str:
    """What is wrong with a merged property, at the place where it came: in `properties`, or beside it."""
    what, at, place = detail.rpartition("`$.")
    inside = at and place.removesuffix("`") in properties
    return f"{what}`$.properties.{place}" if inside else detail


def _undecodable(value: bytes, error: str) -> Rejected:
    """Tell what is no JSON at all from JSON that holds what cannot be stored."""
    try:
        # As text: from bytes, json takes a BOM and UTF-16 too. Integers as floats: Python limits their digits.
        document = json.loads(value.decode(), parse_int=float)
    except (ValueError, RecursionError):
        return Rejected(Reason.NOT_JSON, error)
    for place, text in _texts(document, "$"):
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            return Rejected(Reason.CONTRACT, f"contains a lone surrogate - at `{place}`")
    # json reads NaN and Infinity, which JSON does not have; numbers beyond a double it does.
    is_json = not re.search(rb"\b(NaN|Infinity)\b", value)
    return Rejected(Reason.CONTRACT if is_json else Reason.NOT_JSON, error)


def _refuse_unstorable(value: bytes) -> None:
    """PostgreSQL can store neither NUL nor half a surrogate pair (which the full decoder refuses)."""
    document = _ANY.decode(value)
    if b"\\u0000" in value and any("\0" in text for _, text in _texts(document, "$")):
        raise ValueError("contains NUL")


def _texts(node: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every string of a document, keys included, with its place."""
    if isinstance(node, str):
        yield place, node
    elif isinstance(node, dict):
        for key, child in node.items():
            yield place, key
            yield from _texts(child, f"{place}.{key}")
    elif isinstance(node, list):
        for child in node:
            yield from _texts(child, f"{place}[...]")


def _depth(node: Any) -> int:
    levels, frontier = 0, [node]
    while frontier:
        frontier = [child for parent in frontier for child in _children(parent)]
        levels += 1
    return levels - 1


def _children(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()
