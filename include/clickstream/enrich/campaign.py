"""UTM parameters and click ids of a page URL. Which click id belongs to whom lies in `click_ids.json`."""

import json
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl

_CLICK_IDS = Path(__file__).with_name("click_ids.json")
_MAX_TAG = 256  # characters; a longer campaign name is a mistake, and a key of a table
_PAID = re.compile(r"^(.*cp.*|ppc|retargeting|paid.*)$")


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


def tagged_medium(query: str) -> str | None:
    """The referrer medium that the tags name: paid, email, affiliate, social, referral; None without a known one.

    Of click ids only those of advertisers count: fbclid stands in links that people share, too.
    """
    tags = read_tags(query)
    clicked = click_ids()[tags.click_id].medium if tags.click_id else ""
    if _PAID.match(clicked) or clicked == "display":
        return "paid"
    medium = tags.medium or ""
    if _PAID.match(medium):
        return "paid"
    if medium in ("email", "e-mail", "e_mail", "newsletter"):
        return "email"
    if medium in ("affiliate", "affiliates"):
        return "affiliate"
    if medium in ("social", "social-network", "social-media", "sm"):
        return "social"
    return "referral" if medium == "referral" else None


@cache
def click_ids() -> dict[str, ClickId]:
    """Click ids in the order of the file: the first one that a page carries counts."""
    listed: dict[str, dict[str, str]] = json.loads(_CLICK_IDS.read_text())
    return {name: ClickId(**meaning) for name, meaning in listed.items()}


def _clean(tag: str) -> str | None:
    # NUL can never be stored in PostgreSQL, lone surrogates cannot be written as UTF-8.
    return tag.replace("\0", "").encode(errors="ignore").decode().strip()[:_MAX_TAG].strip() or None
