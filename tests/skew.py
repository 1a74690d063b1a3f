"""Traffic at its most uneven: one user who is everybody, and everybody once."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
_PAGES = 50


def one_user(events: int, last_ms: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one user's page views, one a second, the last at `last_ms` (Unix milliseconds)."""
    for number in range(events):
        yield b"only", _value(number, "only", last_ms - (events - 1 - number) * 1_000)


def many_users(users: int, last_ms: int, spread_ms: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one page view of each of many users, evenly within `spread_ms` before `last_ms`."""
    for number in range(users):
        user = f"user-{number:07}"
        yield user.encode(), _value(number, user, last_ms - spread_ms + number * spread_ms // users)


def page(number: int) -> str:
    """The page path of an event's number."""
    return f"/p/{number % _PAGES}"


def _value(number: int, user: str, ms: int) -> bytes:
    document: dict[str, Any] = {
        "event_id": str(uuid.UUID(int=number + 1)),
        "event_type": "page_view",
        "event_time": datetime.fromtimestamp(ms // 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1_000:03}Z",
        "user_id": user,
        "page_url": f"https://shop.example{page(number)}",
        "referrer": "https://www.google.com/",
        "user_agent": _AGENT,
        "properties": {"category": "shoes", "page_load_ms": 240},
    }
    return json.dumps(document, separators=(",", ":")).encode()
