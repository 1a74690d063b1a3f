"""A shop's export as events of the contract: an example of how to bring own data.

Reads a CSV with the columns user_id, session_id, event, timestamp, platform, acquisition_channel (others are ignored;
plain or .gz) and writes JSON lines to the screen:

    python docs/examples/shop_csv.py export.csv.gz > events.jsonl
    clickstream funnel run sql/funnels.yaml events.jsonl
    clickstream replay events.jsonl

What it decides: an event of the export is one event; times are UTC; the first event of the shop's own session carries
where the visitor came from; ids are made from the line, so that the same export gives the same events again.
"""

import csv
import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

SITE = "https://shop.example"
# The export's word: the contract's event type (others are custom events) and the page.
EVENTS = {
    "home": ("page_view", "/"),
    "catalog": ("page_view", "/catalog"),
    "search": ("search", "/search"),
    "filter_results": ("filter_results", "/catalog"),
    "product_view": ("view_item", "/product"),
    "add_to_cart": ("add_to_cart", "/product"),
    "wishlist_add": ("wishlist_add", "/product"),
    "compare": ("compare", "/compare"),
    "promo_page": ("page_view", "/promo"),
    "review_page": ("page_view", "/reviews"),
    "account_page": ("page_view", "/account"),
    "support_chat": ("support_chat", "/support"),
    "cart": ("page_view", "/cart"),
    "shipping_details": ("begin_checkout", "/checkout"),
    "payment_details": ("add_payment_info", "/checkout/payment"),
    "payment_error": ("payment_error", "/checkout/payment"),
    "checkout_bug": ("checkout_bug", "/checkout"),
    "error_page": ("page_view", "/error"),
    "purchase": ("purchase", "/checkout/done"),
}
_FIREFOX = "Mozilla/5.0 ({}; rv:140.0) Gecko/140.0 Firefox/140.0"
AGENTS = {
    "desktop": _FIREFOX.format("X11; Linux x86_64"),
    "mobile": _FIREFOX.format("Android 15; Mobile"),
    "tablet": _FIREFOX.format("Android 15; Tablet"),
}
# Where visitors came from: what stands in the first URL, and the referrer.
ORIGINS = {
    "email": ("?utm_source=newsletter&utm_medium=email", None),
    "paid_search": ("?utm_source=google&utm_medium=cpc", "https://www.google.com/"),
    "organic": ("", "https://www.google.com/"),
    "social": ("", "https://www.facebook.com/"),
    "direct": ("", None),
}


def events(rows: Iterable[dict[str, str]]) -> Iterator[dict[str, Any]]:
    """The rows of an export, in its order, as events. Raises KeyError for a word that it does not know."""
    seen: Counter[str] = Counter()
    known: set[str] = set()
    for row in rows:
        line = "|".join(row[name] for name in ("user_id", "session_id", "timestamp", "event"))
        seen[line] += 1
        kind, page = EVENTS[row["event"]]
        first = row["session_id"] not in known
        known.add(row["session_id"])
        query, referrer = ORIGINS[row["acquisition_channel"]] if first else ("", SITE)
        yield {
            "event_id": str(uuid5(NAMESPACE_URL, f"{line}|{seen[line]}")),
            "event_type": kind,
            "event_time": f"{row['timestamp'].replace(' ', 'T')}Z",
            "user_id": row["user_id"],
            "session_id": row["session_id"],
            "page_url": f"{SITE}{page}{query}",
            "referrer": referrer,
            "user_agent": AGENTS[row["platform"]],
        }


def read(file: Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV, plain or .gz."""
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


if __name__ == "__main__":
    for event in events(read(Path(sys.argv[1]))):
        print(json.dumps(event))
