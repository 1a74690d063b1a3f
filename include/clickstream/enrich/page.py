"""The page of an event: its clean path, its host, and the medium that its campaign tags name."""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from clickstream.enrich.campaign import tagged_medium

_MAX_PATH_BYTES = 1_024  # a key of page_minute; PostgreSQL's indexes take 2,704 bytes
_PARAMETERS = re.compile(r";[^/]*")  # of a path's segment: ;jsessionid=…
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
    path = _SLASHES.sub("/", "/" + _PARAMETERS.sub("", path))
    path = path.encode(errors="ignore")[:_MAX_PATH_BYTES].decode(errors="ignore")
    return Page(path.rstrip("/") or "/", host, tagged_medium(query) if query else None)
