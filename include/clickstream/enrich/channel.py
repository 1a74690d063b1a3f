"""Source, medium, campaign and channel group of a visit: GA4's default rules, kept as data in `channels.json`."""

import json
import re
from functools import cache, lru_cache
from typing import NamedTuple

from clickstream.enrich.campaign import NOT_SET, named_by, read_campaign
from clickstream.enrich.page import Page, read_page
from clickstream.enrich.referrer import is_internal, read_referrer
from clickstream.enrich.sources import RULES, source_category

_DIRECT = ("(direct)", "(none)")
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
    named, clicked = named_by(tags)
    if named is None:
        named = _of_referrer(referrer, read_page(page_url))
        if clicked and named == _DIRECT:
            named = clicked
    source, medium = named
    return Acquisition(source, medium, tags.campaign, tags.click_id, channel_group(source, medium, tags.campaign))


@lru_cache(maxsize=100_000)
def channel_group(source: str | None, medium: str | None, campaign: str | None = None) -> str:
    """GA4's default channel group; the first rule that matches wins, else ``Unassigned``. Case makes no difference."""
    texts = tuple((text or "").strip().lower() for text in (source or NOT_SET, medium or NOT_SET, campaign))
    category = source_category(texts[0])
    for rule in _rules():
        if rule.category in (None, category) and all(pattern.fullmatch(texts[i]) for i, pattern in rule.patterns):
            return rule.channel
    return "Unassigned"


def _of_referrer(referrer: str | None, page: Page) -> tuple[str, str]:
    if not referrer:
        return _DIRECT
    read = read_referrer(referrer)
    if not read.source or is_internal(read, page):
        return _DIRECT
    medium = _MEDIA.get(read.medium, read.medium)
    return read.source, "referral" if read.medium == "social" else medium


@cache
def _rules() -> tuple[Rule, ...]:
    listed = json.loads(RULES.read_text())["rules"]
    return tuple(_rule(entry["channel"], dict(entry["all"])) for entry in listed)


def _rule(channel: str, conditions: dict[str, str]) -> Rule:
    category = conditions.pop("category", None)
    fields = ("source", "medium", "campaign")
    # A NUL or a line break in a tag must not hide it from a rule.
    patterns = tuple((fields.index(name), re.compile(text, re.DOTALL)) for name, text in conditions.items())
    return Rule(channel, category, patterns)
