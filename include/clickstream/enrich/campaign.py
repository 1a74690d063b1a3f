"""UTM parameters and click ids of a page URL. Which click id belongs to whom lies in `click_ids.json`."""

import json
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl

from clickstream.enrich.sources import source_category

NOT_SET = "(not set)"
_CLICK_IDS = Path(__file__).with_name("click_ids.json")
_MAX_TAG = 256  # characters; a longer campaign name is a mistake, and a key of a table
_PAID = re.compile(r"^(.*cp.*|ppc|retargeting|paid.*)$")


_DISPLAY = frozenset({"display", "banner", "expandable", "interstitial"})
_SPELLINGS = {
    "email": ("email", "e-mail", "e_mail", "e mail", "newsletter"),
    "affiliate": ("affiliate", "affiliates"),
    "social": ("social", "social-network", "social-media", "sm", "social network", "social media"),
    "search": ("organic",),
    "ai_assistant": ("ai-assistant",),
    "referral": ("referral", "app", "link"),
}
_MEDIA = {spelling: medium for medium, spellings in _SPELLINGS.items() for spelling in spellings}
# What a known source says where the medium says nothing, or just that it refers.
_OF_SOURCE = {
    "ai_assistant": "ai_assistant", "search": "search", "social": "social", "video": "referral", "shopping": "referral",
}  # fmt: skip


class Campaign(NamedTuple):
    """The tags of a page URL, cut at 256 characters; `source` and `medium` in lower case. None where it has none.

    `click_id` is the parameter's name (``gclid``, …), never its value, which would tell one visitor from another.
    """

    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    term: str | None = None
    content: str | None = None
    campaign_id: str | None = None
    click_id: str | None = None


class ClickId(NamedTuple):
    """What a click id stands for when the page carries no UTM tags."""

    source: str
    medium: str


_NOTHING = Campaign()


def read_campaign(url: str) -> Campaign:
    """The campaign of a page URL or bare path with a query. Never raises."""
    return read_tags(url.partition("#")[0].partition("?")[2])


@lru_cache(maxsize=100_000)
def read_tags(query: str) -> Campaign:
    """The campaign of a query string."""
    if "=" not in query:
        return _NOTHING
    try:
        tags = dict(parse_qsl(query, max_num_fields=64))
    except ValueError:  # more than 64 fields: no campaign's work
        return _NOTHING
    source, medium = (_clean(tags.get(f"utm_{name}", "").lower()) for name in ("source", "medium"))
    campaign, term, content, number = (
        _clean(tags.get(f"utm_{name}", "")) for name in ("campaign", "term", "content", "id")
    )
    click_id = next((name for name in click_ids() if name in tags), None)
    return Campaign(source, medium, campaign, term, content, number, click_id)


def named_by(tags: Campaign) -> tuple[tuple[str, str] | None, ClickId | None]:
    """Source and medium that the tags name, and what the click id says.

    utm_source and utm_medium come first, a click id fills in a medium that they lack; without them an advertiser's
    click id counts. Others (fbclid, …) stand in links that people share, too: they name nothing.
    """
    clicked = click_ids()[tags.click_id] if tags.click_id else None
    if tags.source or tags.medium:
        return (tags.source or NOT_SET, tags.medium or (clicked.medium if clicked else NOT_SET)), clicked
    return (clicked if clicked and _is_paid(clicked.medium) else None), clicked


def tagged_medium(query: str) -> str | None:
    """The referrer medium that the tags name: any but direct and internal; None without a known one."""
    named, _ = named_by(read_tags(query))
    if named is None:
        return None
    source, medium = named
    if _is_paid(medium):
        return "paid"
    found = _MEDIA.get(medium)
    if found in (None, "referral"):
        return _OF_SOURCE.get(source_category(source) or "", found)
    return found


def _is_paid(medium: str) -> bool:
    return medium in _DISPLAY or _PAID.match(medium) is not None


@cache
def click_ids() -> dict[str, ClickId]:
    """Click ids in the order of the file: the first one that a page carries counts."""
    listed: dict[str, dict[str, str]] = json.loads(_CLICK_IDS.read_text())
    return {name: ClickId(**meaning) for name, meaning in listed.items()}


def _clean(tag: str) -> str | None:
    # NUL can never be stored in PostgreSQL, lone surrogates cannot be written as UTF-8.
    return tag.replace("\0", "").encode(errors="ignore").decode().strip()[:_MAX_TAG].strip() or None
