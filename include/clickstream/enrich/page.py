"""The page of an event: its clean path, its host, and the medium that its campaign tags name."""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

_PAID = re.compile(r"^(.*cp.*|ppc|retargeting|paid.*)$")
_CLICK_IDS = frozenset({"gclid", "gbraid", "wbraid", "msclkid", "dclid"})
_MAX_PATH_BYTES = 1_024  # a key of page_minute; PostgreSQL's indexes take 2,704 bytes
_SLASHES = re.compile(r"/{2,}")


class Page(NamedTuple):
    """`path` starts with a slash, has neither query nor trailing slash and at most 1,024 bytes; `host` is lower case
    or empty."""

    path: str
    host: str
    tagged_medium: str | None


@lru_cache(maxsize=100_000)
def read_page(url: str) -> Page:
    """Split a page URL or a bare path. Never raises: what is no URL is taken as a path."""
    try:
        parts = urlsplit(url)
        path, query, host = parts.path, parts.query, parts.hostname or ""
    except ValueError:  # e.g. an unclosed bracket where IPv6 would stand
        path, _, query = url.partition("?")
        host = ""
    path = _SLASHES.sub("/", "/" + path.partition(";")[0])
    path = path.encode()[:_MAX_PATH_BYTES].decode(errors="ignore")
    return Page(path.rstrip("/") or "/", host, _tagged_medium(query) if query else None)


def _tagged_medium(query: str) -> str | None:
    """GA4's media from utm_medium or an advertiser's click id; None where the page carries no tag."""
    try:
        tags = dict(parse_qsl(query, max_num_fields=64))
    except ValueError:
        return None
    medium = tags.get("utm_medium", "").lower()
    if _CLICK_IDS & tags.keys() or (medium and _PAID.match(medium)):
        return "paid"
    if medium in ("email", "e-mail", "e_mail", "newsletter"):
        return "email"
    if medium in ("affiliate", "affiliates"):
        return "affiliate"
    if medium in ("social", "social-network", "social-media", "sm"):
        return "social"
    return "referral" if medium == "referral" else None
