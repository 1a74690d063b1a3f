"""The enrichment of a frame of events: each rule is asked once a distinct value, the answers are joined."""

import polars as pl

from clickstream.enrich.channel import Acquisition, read_acquisition
from clickstream.enrich.page import Page, read_page
from clickstream.enrich.page_groups import page_group
from clickstream.enrich.referrer import referrer_medium
from clickstream.enrich.user_agent import Agent, Software, read_agent, read_software

_PAGE = dict.fromkeys(Page._fields, pl.String)
_AGENT = dict.fromkeys(Agent._fields, pl.String)
_SOFTWARE = dict.fromkeys(Software._fields, pl.String)
_ACQUISITION = dict.fromkeys(Acquisition._fields, pl.String)
_PLACE = ["referrer", "host", "tagged_medium"]
_DETAILS = ["browser_version", "os", "os_version"]


def enriched(events: pl.DataFrame) -> pl.DataFrame:
    """Events (page_url, referrer, user_agent: String) with page_path, referrer_medium, device, browser and bot."""
    told = events.select("page_url", "referrer", "user_agent")  # joining these alone moves less than whole events
    pages = told.select(pl.col("page_url").unique())
    pages = pages.hstack(pl.DataFrame([read_page(url) for url in pages["page_url"]], schema=_PAGE, orient="row"))
    agents = told.select(pl.col("user_agent").unique())
    agents = agents.hstack(
        pl.DataFrame([read_agent(agent) for agent in agents["user_agent"]], schema=_AGENT, orient="row")
    )
    known = _joined(_joined(told, pages.rename({"path": "page_path"}), "page_url"), agents, "user_agent")
    places = known.select(_PLACE).unique()
    media = [referrer_medium(referrer, Page("", host, tagged)) for referrer, host, tagged in places.iter_rows()]
    known = _joined(known, places.with_columns(referrer_medium=pl.Series(media, dtype=pl.String)), *_PLACE)
    return events.hstack(known.select("page_path", "referrer_medium", *_AGENT))


def detailed(events: pl.DataFrame) -> pl.DataFrame:
    """Events (page_url, referrer, user_agent: String) with source, medium, campaign, click_id, channel, page_group,
    browser_version, os and os_version: what sessions need beyond `enriched`, by the same way."""
    told = events.select("page_url", "referrer", "user_agent")
    agents = told.select(pl.col("user_agent").unique())
    software = [read_software(agent) for agent in agents["user_agent"]]
    agents = agents.hstack(pl.DataFrame(software, schema=_SOFTWARE, orient="row").select(_DETAILS))
    pages = told.select(pl.col("page_url").unique())
    groups = [page_group(read_page(url).path) for url in pages["page_url"]]
    ways = told.select("page_url", "referrer").unique()
    brought = [read_acquisition(url, referrer) for url, referrer in ways.iter_rows()]
    ways = ways.hstack(pl.DataFrame(brought, schema=_ACQUISITION, orient="row"))
    known = _joined(told, pages.with_columns(page_group=pl.Series(groups, dtype=pl.String)), "page_url")
    known = _joined(_joined(known, agents, "user_agent"), ways, "page_url", "referrer")
    return events.hstack(known.select(*_ACQUISITION, "page_group", *_DETAILS))


def _joined(events: pl.DataFrame, answers: pl.DataFrame, *key: str) -> pl.DataFrame:
    return events.join(answers, on=key, how="left", nulls_equal=True, maintain_order="left")
