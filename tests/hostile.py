"""Texts that whoever sends events may choose, to break a page, a query or a spreadsheet; and visitors who send them."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus

TEXTS = {
    "script": "<script>document.title='owned'</script>",
    "handler": "<img src=x onerror=window.owned=1>",
    "attribute": '" onmouseover="window.owned=1" x=\'',
    "markdown": "[a](javascript:window.owned=1)",
    "template": "{{ 7 * 191 }}${7 * 191}{% raise %}%(owned)s",
    "formula": '=HYPERLINK("https://evil.example","a")',
    "command": "@SUM(1+1)*cmd|' /C calc'!A0",
    "right to left": "a\u202egnp.exe",
    "quotes": "'); drop table clickstream.sessions --\\",
    "long": "W" * 128,
}
TAGS = ("source", "medium", "campaign", "term", "content", "id")
KINDS = ("page_view", "search", "view_item", "add_to_cart", "begin_checkout", "purchase", "sign_up", "page_view")


def visits(end: datetime) -> Iterator[tuple[datetime, bytes]]:
    """For each text a visitor who puts it into every field of free text, and ends a minute before `end`."""
    for text in TEXTS.values():
        for number, kind in enumerate(KINDS):
            at = end - timedelta(minutes=1, seconds=10 * (len(KINDS) - number))
            yield at, json.dumps(_event(text, kind, at, number)).encode()


def _event(text: str, kind: str, at: datetime, number: int) -> dict[str, object]:
    tags = "&".join(f"utm_{tag}={quote_plus(text)}" for tag in TAGS)
    page = f"https://shop.example/{text}"
    return {
        "event_id": str(uuid.uuid4()),
        "event_type": kind,
        "event_time": at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "user_id": text,
        "session_id": text,
        "page_url": page if number else f"{page}?{tags}",
        "referrer": f"https://other.example/{text}?q={text}",
        "user_agent": text,
        "properties": {
            "product_id": text,
            "category": text,
            "search_term": text,
            "element_id": text,
            "order_id": text,
            "price": 5,
            "quantity": 1,
            text: text,
        },
    }
