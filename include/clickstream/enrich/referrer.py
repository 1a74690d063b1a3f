"""Where a page view came from: medium and source of its referrer, by lists kept as data in `referrers.json`."""

import json
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:  # it asks the lists here for the category of a tag
    from clickstream.enrich.page import Page

Value = TypeVar("Value")
_LISTS = Path(__file__).with_name("referrers.json")
# A referrer that came without its scheme: google.com, www.google.com/search, shop.example:8080.
_BARE_HOST = re.compile(r"[^\s/?#:@]+\.[^\s/?#:@]+(:\d+)?(?=[/?#]|$)")
_SECOND_LEVEL = frozenset({"co", "com", "or", "org", "ne", "net"})  # google.co.uk, yahoo.com.br, yahoo.ne.jp


class Referrer(NamedTuple):
    """`host`: lower case, punycode, an app's package name, or empty; `medium`: as `referrer_medium` without the
    page; `source`: the list's name, else the host without ``www.``, None without a host."""

    host: str
    medium: str
    source: str | None


class Site(NamedTuple):
    """An entry of the lists."""

    medium: str
    source: str


def referrer_medium(referrer: str | None, page: "Page") -> str:
    """direct, internal, search, social, email, ai_assistant, paid, affiliate or referral.

    The page's own campaign tags come first: a paid click from a search engine is paid.
    """
    if page.tagged_medium:
        return page.tagged_medium
    if not referrer:
        return "direct"
    read = read_referrer(referrer)
    return "internal" if is_internal(read, page) else read.medium


def is_internal(referrer: Referrer, page: "Page") -> bool:
    """Whether a referrer is the page's own site; ``www.`` makes no difference."""
    return bool(referrer.host) and referrer.host.removeprefix("www.") == page.host.removeprefix("www.")


@lru_cache(maxsize=100_000)
def read_referrer(referrer: str) -> Referrer:
    """Host, medium and source of a referrer: ``https:``, ``android-app:`` or a bare host. Never raises."""
    try:
        parts = urlsplit("//" + referrer if _BARE_HOST.match(referrer) else referrer)
        host = _ascii((parts.hostname or "").rstrip("."))
    except ValueError:
        return Referrer("", "referral", None)
    if not host:
        return Referrer("", "direct", None)
    site = sites().get(host) if parts.scheme == "android-app" else find_site(host)
    return Referrer(host, *site) if site else Referrer(host, "referral", host.removeprefix("www."))


@lru_cache(maxsize=100_000)
def find_site(host: str) -> Site | None:
    """What the lists say about a host."""
    return longest_suffix(host, sites())


def longest_suffix(host: str, table: Mapping[str, Value]) -> Value | None:
    """The entry for the longest suffix of a host; ``google.`` stands for every country's domain, and for no more:
    google.evil.example is not Google, and blog.google not the name ``google``."""
    labels = host.split(".")[-10:]
    for start in range(len(labels)):
        rest = labels[start + 1 :]
        found = table.get(".".join(labels[start:])) if rest or not start else None
        if found is None and _is_country(rest):
            found = table.get(labels[start] + ".")
        if found is not None:
            return found
    return None


@cache
def sites() -> dict[str, Site]:
    """Every listed host with its medium and source."""
    listed: dict[str, dict[str, list[str]]] = json.loads(_LISTS.read_text())
    return {
        host: Site(medium, source)
        for medium, sources in listed.items()
        for source, hosts in sources.items()
        for host in hosts
    }


def _is_country(suffix: list[str]) -> bool:
    """``com``, ``de``, ``co.uk``, ``com.br``."""
    if len(suffix) == 2:
        return suffix[0] in _SECOND_LEVEL and len(suffix[1]) == 2
    return len(suffix) == 1


def _ascii(host: str) -> str:
    """Punycode, so that a host is one text however the browser wrote it; what cannot be encoded stays."""
    host = host.replace("\0", "")
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host.encode(errors="ignore").decode()
