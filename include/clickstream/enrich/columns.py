"""The enrichment of a frame of events: each rule is asked once a distinct value, the answers are joined."""

from collections.abc import Callable
from typing import Any

import polars as pl

from clickstream.enrich.channel import Acquisition, read_acquisition
from clickstream.enrich.page import Page, read_page
from clickstream.enrich.page_groups import DEFAULT_GROUPS, page_group
from clickstream.enrich.referrer import referrer_medium
from clickstream.enrich.user_agent import Agent, Software, read_agent, read_software
from clickstream.settings import settings

_PAGE = ("page_path", "host", "tagged_medium", "page_group")
_PLACE = ("referrer", "host", "tagged_medium")
FIRST_TOUCH = ("source", "medium", "campaign", "channel", "os", "browser_version")


def enriched(events: pl.DataFrame) -> pl.DataFrame:
    """Events (page_url, referrer, user_agent, product_id, category: String) with page_path, page_group,
    referrer_medium, device, browser and bot; product_id and category trimmed, null where nothing is left."""
    told = events.select("page_url", "referrer", "user_agent")  # joining these alone moves less than whole events
    known = _asked(told, ("page_url",), _page, _PAGE)
    known = _asked(known, ("user_agent",), read_agent, Agent._fields)
    known = _asked(
        known,
        _PLACE,
        lambda referrer, host, tag: (referrer_medium(referrer, Page("", host, tag)),),
        ("referrer_medium",),
    )
    found = known.select("page_path", "page_group", "referrer_medium", *Agent._fields)
    return events.hstack(found).with_columns(_trimmed("product_id"), _trimmed("category"))


def first_touch(events: pl.DataFrame) -> pl.DataFrame:
    """The columns of FIRST_TOUCH for events (page_url, referrer, user_agent: String), row by row: what a session
    takes over from its first event beside what `enriched` gives."""
    told = events.select("page_url", "referrer", "user_agent")
    known = _asked(told, ("user_agent",), read_software, Software._fields)
    known = _asked(known, ("page_url", "referrer"), read_acquisition, Acquisition._fields)
    return known.select(FIRST_TOUCH)


def _page(url: str) -> tuple[str | None, ...]:
    page = read_page(url)
    return *page, page_group(page.path, settings().page_groups or DEFAULT_GROUPS)


def _trimmed(name: str) -> pl.Expr:
    text = pl.col(name).str.strip_chars()
    return pl.when(text.str.len_bytes() > 0).then(text).alias(name)


def _asked(
    told: pl.DataFrame, key: tuple[str, ...], rule: Callable[..., tuple[Any, ...]], answers: tuple[str, ...]
) -> pl.DataFrame:
    """What was told with a rule's `answers` (String columns), asked once for each distinct `key`."""
    distinct = told.select(key).unique()
    found = pl.DataFrame(
        [rule(*values) for values in distinct.iter_rows()], schema=dict.fromkeys(answers, pl.String), orient="row"
    )
    return told.join(distinct.hstack(found), on=key, how="left", nulls_equal=True, maintain_order="left")
