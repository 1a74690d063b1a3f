"""Source, medium, campaign and channel group of a visit: GA4's default rules, kept as data in `channels.json`."""

import json
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from clickstream.enrich.campaign import click_ids, read_campaign
from clickstream.enrich.page import Page, read_page
from clickstream.enrich.referrer import find_site, is_internal, longest_suffix, read_referrer, sites

_RULES = Path(__file__).with_name("channels.json")
_NOT_SET = "(not set)"
_DIRECT = ("(direct)", "(none)")
_CATEGORIES = frozenset({"search", "social", "ai_assistant"})  # media of referrers that are categories of sources
# GA4's medium of what a list says about a referrer.
_MEDIA = {"search": "organic", "ai_assistant": "ai-assistant", "paid": "display"}


class Acquisition(NamedTuple):
    """What brought a visitor to a page. `source` and `medium` are GA4's: ``(direct)``, ``(none)``, ``(not set)``."""

    source: str
    medium: str
    campaign: str | None
    click_id: str | None
    channel: str


class Rule(NamedTuple):
    """A channel, the source category it asks for, and full-match patterns for source, medium and campaign."""

    channel: str
    category: str | None
    patterns: tuple[tuple[int, re.Pattern[str]], ...]


@lru_cache(maxsize=100_000)
def read_acquisition(page_url: str, referrer: str | None) -> Acquisition:
    """UTM tags first, then an advertiser's click id, then the referrer, then what other click ids say.

    A visit that begins inside the site is direct, as in GA4. Never raises.
    """
    tags = read_campaign(page_url)
    clicked = click_ids()[tags.click_id] if tags.click_id else None
    if tags.source or tags.medium:
        source, medium = tags.source or _NOT_SET, tags.medium or (clicked.medium if clicked else _NOT_SET)
    elif clicked and read_page(page_url).tagged_medium:
        source, medium = clicked
    else:
        source, medium = _of_referrer(referrer, read_page(page_url))
        if clicked and (source, medium) == _DIRECT:
            source, medium = clicked
    return Acquisition(source, medium, tags.campaign, tags.click_id, channel_group(source, medium, tags.campaign))


@lru_cache(maxsize=100_000)
def channel_group(source: str | None, medium: str | None, campaign: str | None = None) -> str:
    """GA4's default channel group; the first rule that matches wins, else ``Unassigned``. Case makes no difference."""
    texts = tuple((text or "").strip().lower() for text in (source or _NOT_SET, medium or _NOT_SET, campaign))
    category = source_category(texts[0])
    for rule in _rules():
        if rule.category in (None, category) and all(pattern.fullmatch(texts[i]) for i, pattern in rule.patterns):
            return rule.channel
    return "Unassigned"


@lru_cache(maxsize=100_000)
def source_category(source: str) -> str | None:
    """search, social, video, shopping or ai_assistant of a source, be it a name or a host; None for any other."""
    known = longest_suffix(source, _categories())
    if known:
        return known
    site = find_site(source)
    return site.medium if site and site.medium in _CATEGORIES else None


def _of_referrer(referrer: str | None, page: Page) -> tuple[str, str]:
    if not referrer:
        return _DIRECT
    read = read_referrer(referrer)
    if not read.source or is_internal(read, page):
        return _DIRECT
    medium = _MEDIA.get(read.medium, read.medium)
    return read.source, "referral" if read.medium == "social" else medium


@cache
def _categories() -> dict[str, str]:
    """Category by name or host: the file's own lists before the referrers' names."""
    listed: dict[str, list[str]] = json.loads(_RULES.read_text())["sources"]
    named = {site.source: site.medium for site in sites().values() if site.medium in _CATEGORIES}
    return named | {source: category for category, sources in listed.items() for source in sources}


@cache
def _rules() -> tuple[Rule, ...]:
    listed = json.loads(_RULES.read_text())["rules"]
    return tuple(_rule(entry["channel"], dict(entry["all"])) for entry in listed)


def _rule(channel: str, conditions: dict[str, str]) -> Rule:
    category = conditions.pop("category", None)
    fields = ("source", "medium", "campaign")
    # A NUL or a line break in a tag must not hide it from a rule.
    patterns = tuple((fields.index(name), re.compile(text, re.DOTALL)) for name, text in conditions.items())
    return Rule(channel, category, patterns)
