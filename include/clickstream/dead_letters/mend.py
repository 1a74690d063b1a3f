"""What becomes of a dead letter that is sent back: changed as asked, then judged by the contract. Pure."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from clickstream.contract import OLDEST_EVENT_MS, Accepted, Reason, Rejected, decode, time_rejection
from clickstream.dead_letters.letters import Letter
from clickstream.dead_letters.payloads import read_json, write_json

_NEEDS_NEW_ID = (
    "another event with other content has this event_id - at `$.event_id`; give it one of its own by"
    " --unset event_id, or --set 'event_id=\"…\"'"
)


class Mended(NamedTuple):
    """A record that the contract accepts."""

    key: bytes
    value: bytes
    event_id: UUID


@dataclass(frozen=True)
class Mends:
    """Changes to a payload's object, applied in this order. A field is a name, or a path like ``properties.price``.

    ``renames``: (old, new); a field that is not there is left alone, and ``new`` is replaced if it is. ``unsets``:
    fields to take away. ``sets``: (field, value), missing objects on its path are made.
    """

    renames: tuple[tuple[str, str], ...] = ()
    unsets: tuple[str, ...] = ()
    sets: tuple[tuple[str, Any], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.renames or self.unsets or self.sets)

    @classmethod
    def parse(cls, renames: list[str], unsets: list[str], sets: list[str]) -> "Mends":
        """From the command line's ``old=new``, ``field`` and ``field=JSON``. Raises ValueError naming the wrong one."""
        pairs = [_pair("--rename", text, "old=new") for text in renames]
        values = [_pair("--set", text, "field=JSON") for text in sets]
        for option, field in [
            *(("--rename", name) for pair in pairs for name in pair),
            *(("--unset", name) for name in unsets),
            *(("--set", name) for name, _ in values),
        ]:
            if not all(field.split(".")):
                raise ValueError(f"{option}: {field!r} is no field; like user_id or properties.price")
        return cls(tuple(pairs), tuple(unsets), tuple((field, _value(field, text)) for field, text in values))

    def apply(self, payload: bytes | None) -> bytes | Rejected | None:
        """The changed payload (the same one if nothing is asked for), or why it cannot be changed."""
        if not self or payload is None:
            return payload
        try:
            document = read_json(payload)
        except ValueError as error:
            return Rejected(Reason.NOT_JSON, f"cannot be changed field by field: {error}; export it and edit the text")
        if not isinstance(document, dict):
            return Rejected(Reason.CONTRACT, f"expected an object, got {type(document).__name__} - at `$`")
        try:
            for old, new in self.renames:
                found, value = _taken(document, old)
                if found:
                    _set(document, new, value)
            for field in self.unsets:
                _taken(document, field)
            for field, value in self.sets:
                _set(document, field, value)
        except TypeError as error:
            return Rejected(Reason.CONTRACT, str(error))
        return write_json(document)


def judge(
    letter: Letter, payload: bytes | None, now_ms: int, future_tolerance_ms: int, oldest_ms: int = OLDEST_EVENT_MS
) -> Mended | Rejected:
    """Whether the stream would accept this payload now (Unix ms), in the place of the letter's own.

    An event without a usable id gets the one of its place. Time is judged as the stream will: a letter from the
    future is fine once its time has come, one from before `oldest_ms` (Unix ms: retention) never.
    """
    decoded = decode(payload)
    if isinstance(decoded, Rejected) and payload:
        named = _with_event_id(letter, payload)
        if named is not None:
            payload, decoded = named, decode(named)
    if isinstance(decoded, Rejected) or payload is None:
        return decoded if isinstance(decoded, Rejected) else Rejected(Reason.NOT_JSON, "empty record")
    event = decoded.event
    refused = time_rejection(int(event.event_time.timestamp() * 1_000), now_ms, future_tolerance_ms, oldest_ms)
    if refused is not None:
        return refused
    if letter.reason == Reason.CONFLICT and event.event_id == _event_id(letter.payload):
        return Rejected(Reason.CONFLICT, _NEEDS_NEW_ID)
    return Mended(event.user_id.encode(), payload, event.event_id)


def _with_event_id(letter: Letter, payload: bytes) -> bytes | None:
    """The payload with the id of its place; None when it has a usable one, or no fields at all."""
    try:
        document = read_json(payload)
    except ValueError:
        return None
    if not isinstance(document, dict) or _is_uuid(document.get("event_id")):
        return None
    return write_json({**document, "event_id": str(letter.place.event_id)})


def _is_uuid(value: Any) -> bool:
    try:
        msgspec.convert(value, UUID)
    except msgspec.ValidationError:
        return False
    return True


def _event_id(payload: bytes | None) -> UUID | None:
    decoded = decode(payload)
    return decoded.event.event_id if isinstance(decoded, Accepted) else None


def _taken(document: dict[str, Any], field: str) -> tuple[bool, Any]:
    """Take a field away: whether it was there, and its value."""
    *parents, name = field.split(".")
    node: Any = document
    for parent in parents:
        node = node.get(parent) if isinstance(node, dict) else None
    if not isinstance(node, dict) or name not in node:
        return False, None
    return True, node.pop(name)


def _set(document: dict[str, Any], field: str, value: Any) -> None:
    """Set a field. Raises TypeError when something on its path is no object."""
    *parents, name = field.split(".")
    node = document
    for depth, parent in enumerate(parents, 1):
        if node.get(parent) is None:
            node[parent] = {}
        if not isinstance(node[parent], dict):
            found = type(node[parent]).__name__
            raise TypeError(f"expected an object, got {found} - at `$.{'.'.join(parents[:depth])}`")
        node = node[parent]
    node[name] = value


def _pair(option: str, text: str, like: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{option}: {text!r} is not like {like}")
    return name, value


def _value(field: str, text: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise ValueError(f"--set {field}: {text!r} is not JSON; text needs quotes: --set '{field}=\"…\"'") from None
