"""The category of a source, be it a name or a host: by GA4's published list, our additions, those of the referrers."""

import json
from functools import cache, lru_cache
from pathlib import Path

from clickstream.enrich.referrer import longest_suffix, sites

RULES = Path(__file__).with_name("channels.json")
_PUBLISHED = Path(__file__).with_name("ga4_sources.json")
_CATEGORIES = frozenset({"search", "social", "ai_assistant"})  # media of referrers that are categories of sources
_NONE = ""  # a listed host without a category: docs.google.com is no search


@lru_cache(maxsize=100_000)
def source_category(source: str) -> str | None:
    """search, social, video, shopping or ai_assistant of a source in lower case; None for any other."""
    return longest_suffix(source, _categories()) or None


@cache
def _categories() -> dict[str, str]:
    """Category by name or host; of two entries for one, GA4's counts, then that of `channels.json`."""
    added, published = json.loads(RULES.read_text())["sources"], json.loads(_PUBLISHED.read_text())
    hosts = {host: site.medium if site.medium in _CATEGORIES else _NONE for host, site in sites().items()}
    names = {site.source: site.medium for site in sites().values() if site.medium in _CATEGORIES}
    return hosts | names | _by_source(added) | _by_source(published)


def _by_source(listed: dict[str, list[str]]) -> dict[str, str]:
    return {source: category for category, sources in listed.items() for source in sources}
