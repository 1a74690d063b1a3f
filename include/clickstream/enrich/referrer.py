"""Where a page view came from: the referrer medium, by lists kept as data in `referrers.json`."""

import json
from functools import cache, lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from clickstream.enrich.page import Page

_LISTS = Path(__file__).with_name("referrers.json")


def referrer_medium(referrer: str | None, page: Page) -> str:
    """direct, internal, search, social, email, ai_assistant, paid, affiliate or referral.

    The page's own campaign tags come first: a paid click from a search engine is paid.
    """
    if page.tagged_medium:
        return page.tagged_medium
    if not referrer:
        return "direct"
    host, medium = _read_referrer(referrer)
    if host and host == page.host:
        return "internal"
    return medium


@lru_cache(maxsize=100_000)
def _read_referrer(referrer: str) -> tuple[str, str]:
    try:
        host = urlsplit(referrer).hostname or ""
    except ValueError:
        return "", "referral"
    if not host:
        return "", "direct"
    return host, _medium_of_host(host)


@lru_cache(maxsize=100_000)
def _medium_of_host(host: str) -> str:
    """The longest suffix of the host that a list has decides; `google.` stands for every country's domain."""
    lists = _media()
    labels = host.split(".")
    for start in range(len(labels)):
        suffix = ".".join(labels[start:])
        medium = lists.get(suffix) or lists.get(labels[start] + ".")
        if medium:
            return medium
    return "referral"


@cache
def _media() -> dict[str, str]:
    listed: dict[str, list[str]] = json.loads(_LISTS.read_text())
    return {host: medium for medium, hosts in listed.items() for host in hosts}
