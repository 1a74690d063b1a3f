"""One record: read strictly, or refused with a reason. Written for the baselines, shared with nothing of the stream."""

import json
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Meta, Raw, Struct

MAX_RECORD_BYTES = 65_536
MAX_PROPERTIES_BYTES = 16_384
MAX_DEPTH = 8

Short = Annotated[str, Meta(max_length=128)]
SnakeCase = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$(?!\n)")]


class Properties(Struct):
    """The properties whose type the contract knows."""

    product_id: Short | None = None
    category: Short | None = None
    price: Annotated[float, Meta(ge=0, le=1e8)] | None = None
    quantity: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    order_id: Short | None = None
    search_term: Annotated[str, Meta(max_length=512)] | None = None
    scroll_depth: Annotated[float, Meta(ge=0, le=100)] | None = None
    page_load_ms: Annotated[float, Meta(ge=0, le=86_400_000)] | None = None
    element_id: Short | None = None


class Event(Struct, forbid_unknown_fields=True):
    """A record's value; the properties stay the bytes that came."""

    event_id: UUID
    event_type: str
    event_time: Annotated[datetime, Meta(tz=True)]
    user_id: Annotated[str, Meta(min_length=1, max_length=128)]
    page_url: Annotated[str, Meta(min_length=1, max_length=2_048)]
    session_id: Short | None = None
    referrer: Annotated[str, Meta(max_length=2_048)] | None = None
    user_agent: Annotated[str, Meta(max_length=1_024)] | None = None
    properties: Raw = Raw(b"{}")


class Bad(NamedTuple):
    """A record that is refused, and why."""

    row: int
    reason: str
    detail: str


_decode_event = msgspec.json.Decoder(Event).decode
_decode_properties = msgspec.json.Decoder(Properties).decode
_known_types: set[str] = set()


Good = tuple[Event, Properties, bytes]


def decode(value: bytes) -> Good:
    """Read one record: the event, its typed properties and their JSON.

    Raises ValueError(reason, detail), msgspec's errors or UnicodeDecodeError.
    """
    if not value:
        raise ValueError("not_json", "empty record")
    if len(value) > MAX_RECORD_BYTES:
        raise ValueError("too_large", f"{len(value)} bytes")
    if not value.isascii():
        value.decode()
    if b"\\u0000" in value:
        raise ValueError("contract", "contains NUL")
    event = _decode_event(value)
    raw = bytes(event.properties)
    properties = _decode_properties(raw)
    if event.event_type not in _known_types:
        msgspec.convert(event.event_type, SnakeCase)
        _known_types.add(event.event_type)
    if len(raw) > MAX_PROPERTIES_BYTES:
        raise ValueError("too_large", f"properties have {len(raw)} bytes")
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _depth(json.loads(raw)) > MAX_DEPTH:
        raise ValueError("contract", f"properties have more than {MAX_DEPTH} levels")
    return event, properties, raw


def decode_or_reason(value: bytes | None, row: int) -> Good | Bad:
    """The slow path for what `decode` refused: fields that nobody knows go to the properties, all else is bad."""
    try:
        return decode(value or b"")
    except msgspec.ValidationError as error:
        try:
            document = json.loads(value or b"", parse_constant=_refuse)
            unknown = {name: document.pop(name) for name in document.keys() - set(Event.__struct_fields__)}
            if not unknown and document.get("properties", {}) is not None:
                return Bad(row, "contract", str(error))
            document["properties"] = unknown | (document.get("properties") or {})
            return decode(msgspec.json.encode(document))
        except msgspec.ValidationError as again:
            return Bad(row, "contract", str(again))
        except (ValueError, AttributeError) as again:
            return Bad(row, "not_json" if isinstance(again, json.JSONDecodeError) else "contract", str(again))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Bad(row, _undecodable(value or b""), str(error))
    except ValueError as error:
        return Bad(row, *error.args)


def _undecodable(value: bytes) -> str:
    """JSON that msgspec cannot read: half a surrogate pair breaks the contract, the rest is no JSON."""
    try:
        json.loads(value.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return "not_json"
    return "contract"


def _refuse(constant: str) -> None:
    raise json.JSONDecodeError(f"{constant} is no JSON", constant, 0)


def _depth(node: Any) -> int:
    if not isinstance(node, dict | list):
        return 0
    return 1 + max(map(_depth, node.values() if isinstance(node, dict) else node), default=0)
