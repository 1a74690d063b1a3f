"""The enrichment of a frame of events: each rule is asked once a distinct value, the answers are joined."""

from collections.abc import Callable
from typing import Any

import polars as pl

from clickstream.enrich.channel import Acquisition, read_acquisition
from clickstream.enrich.page import Page, read_page
from clickstream.enrich.page_groups import page_group
from clickstream.enrich.referrer import referrer_medium
from clickstream.enrich.user_agent import Agent, Software, read_agent, read_software

_PAGE = ("page_path", "host", "tagged_medium")
_PLACE = ("referrer", "host", "tagged_medium")
_DETAILS = ("browser_version", "os", "os_version")


def enriched(events: pl.DataFrame) -> pl.DataFrame:
    """Events (page_url, referrer, user_agent: String) with page_path, referrer_medium, device, browser and bot."""
    told = events.select("page_url", "referrer", "user_agent")  # joining these alone moves less than whole events
    known = _asked(told, ("page_url",), read_page, _PAGE)
    known = _asked(known, ("user_agent",), read_agent, Agent._fields)
    known = _asked(
        known,
        _PLACE,
        lambda referrer, host, tag: (referrer_medium(referrer, Page("", host, tag)),),
        ("referrer_medium",),
    )
    return events.hstack(known.select("page_path", "referrer_medium", *Agent._fields))


def detailed(events: pl.DataFrame) -> pl.DataFrame:
    """Events (page_url, referrer, user_agent: String) with source, medium, campaign, click_id, channel, page_group,
    browser_version, os and os_version: what sessions need beyond `enriched`, by the same way."""
    told = events.select("page_url", "referrer", "user_agent")
    known = _asked(told, ("page_url",), lambda url: (page_group(read_page(url).path),), ("page_group",))
    known = _asked(known, ("user_agent",), read_software, Software._fields)
    known = _asked(known, ("page_url", "referrer"), read_acquisition, Acquisition._fields)
    return events.hstack(known.select(*Acquisition._fields, "page_group", *_DETAILS))


def _asked(
    told: pl.DataFrame, key: tuple[str, ...], rule: Callable[..., tuple[Any, ...]], answers: tuple[str, ...]
) -> pl.DataFrame:
    """What was told with a rule's `answers` (String columns), asked once for each distinct `key`."""
    distinct = told.select(key).unique()
    found = pl.DataFrame(
        [rule(*values) for values in distinct.iter_rows()], schema=dict.fromkeys(answers, pl.String), orient="row"
    )
    return told.join(distinct.hstack(found), on=key, how="left", nulls_equal=True, maintain_order="left")
