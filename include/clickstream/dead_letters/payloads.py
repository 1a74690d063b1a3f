"""Payloads as documents and as text. They are hostile: what a terminal could take for a command is escaped."""

import base64
import json
from typing import Any

from clickstream.dead_letters.letters import Letter

_HEAD_BYTES = 80
_SHOWN_CHARACTERS = 65_536
_DUMPED_BYTES = 1_024


def read_json(payload: bytes) -> Any:
    """The document of a payload, read more kindly than the contract does: NaN, half surrogate pairs, a byte order mark
    and UTF-16 are taken, so that they can be mended. Raises ValueError for what is no JSON even so."""
    try:
        return json.loads(payload)
    except RecursionError:
        raise ValueError("nested too deeply to read") from None


def write_json(document: Any) -> bytes:
    """A document as compact JSON; half a surrogate pair stays an escape."""
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(document, separators=(",", ":")).encode()


def exported(letter: Letter) -> dict[str, Any]:
    """A letter as a JSON object. ``payload`` is the object it holds when that can be written as JSON, else its text;
    bytes that are no text are ``payload_base64``."""
    document: dict[str, Any] = {
        "topic": letter.place.topic,
        "partition": letter.place.partition,
        "offset": letter.place.offset,
        "kafka_time": letter.kafka_time.isoformat(timespec="milliseconds"),
        "reason": letter.reason,
        "detail": letter.detail,
        "replayed_at": letter.replayed_at.isoformat() if letter.replayed_at else None,
        "replayed_event_id": str(letter.replayed_event_id) if letter.replayed_event_id else None,
    }
    if letter.payload is None:
        return document | {"payload": None}
    if (found := _object(letter.payload)) is not None:
        return document | {"payload": found}
    try:
        return document | {"payload": letter.payload.decode()}
    except UnicodeDecodeError:
        return document | {"payload_base64": base64.b64encode(letter.payload).decode()}


def json_line(document: Any) -> str:
    """A document as compact JSON on one line that is safe to look at."""
    return visible(json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def visible(text: str) -> str:
    """Text on one line with everything that is not printable (control characters, escape sequences, marks that change
    direction, zero width) as JSON's escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def head(payload: bytes | None) -> str:
    """The first bytes of a payload on one line."""
    if not payload:
        return "(no value)" if payload is None else "(empty)"
    more = "…" if len(payload) > _HEAD_BYTES else ""
    return visible(payload[:_HEAD_BYTES].decode("utf-8", "backslashreplace")) + more


def pretty(payload: bytes | None) -> str:
    """A payload to read: JSON indented, other text escaped, bytes that are no text dumped in hexadecimal; the beginning
    of a very large one."""
    if not payload:
        return head(payload)
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return _hexadecimal(payload)
    try:
        document = json.loads(text, object_pairs_hook=_without_repeats)
        lines = json.dumps(document, indent=2, ensure_ascii=False).splitlines()
    except (ValueError, RecursionError):
        lines = text.split("\n")
    shown = "\n".join(map(visible, lines))
    if len(shown) <= _SHOWN_CHARACTERS:
        return shown
    return f"{shown[:_SHOWN_CHARACTERS]}\n… {len(shown) - _SHOWN_CHARACTERS:,} characters more (--raw has all)"


def _object(payload: bytes) -> dict[str, Any] | None:
    """The object of a payload, None when there is none or JSON could not hold it."""
    try:
        document = read_json(payload)
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Indented, the earlier values of a repeated key would be hidden."""
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a key is repeated")
    return document


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else json.dumps(character)[1:-1]


def _hexadecimal(payload: bytes) -> str:
    lines = []
    for start in range(0, min(len(payload), _DUMPED_BYTES), 16):
        row = payload[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:08x}  {row.hex(' '):<47}  {text}")
    if len(payload) > _DUMPED_BYTES:
        lines.append(f"… {len(payload) - _DUMPED_BYTES:,} bytes more (--raw has all)")
    return "\n".join(lines)
