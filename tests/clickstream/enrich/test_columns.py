"""Columns of a frame equal the rules asked row by row, whatever repeats or is missing."""

import polars as pl

from clickstream.enrich import (
    FIRST_TOUCH,
    enriched,
    first_touch,
    page_group,
    read_acquisition,
    read_agent,
    read_page,
    read_software,
)

URLS = ["https://shop.example/deals?gclid=1", "https://shop.example/cart", "https://shop.example/cart"]
REFERRERS = ["https://www.google.com/", None, "https://shop.example/"]
AGENTS = ["curl/8.5.0", None, "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"]
TOLD = {"n": [1, 2, 3], "page_url": URLS, "referrer": REFERRERS, "user_agent": AGENTS}
EVENTS = pl.DataFrame(TOLD | {"product_id": [" P1 ", "  ", None], "category": ["tents", "", "\tboots"]})


def test_what_the_stream_stores() -> None:
    found = enriched(EVENTS)
    added = ["page_path", "page_group", "referrer_medium", "device", "browser", "bot"]
    assert found.columns == [*EVENTS.columns, *added]
    assert found["page_path"].to_list() == ["/deals", "/cart", "/cart"]
    assert found["page_group"].to_list() == [page_group(read_page(url).path) for url in URLS]
    assert found["referrer_medium"].to_list() == ["paid", "direct", "internal"]
    assert [tuple(row) for row in found.select("device", "browser", "bot").rows()] == list(map(read_agent, AGENTS))


def test_product_and_category_are_trimmed_and_empty_is_none() -> None:
    found = enriched(EVENTS)
    assert found["product_id"].to_list() == ["P1", None, None]
    assert found["category"].to_list() == ["tents", None, "boots"]


def test_first_touch() -> None:
    expected = []
    for url, referrer, agent in zip(URLS, REFERRERS, AGENTS, strict=True):
        known = read_acquisition(url, referrer)._asdict() | read_software(agent)._asdict()
        expected.append(tuple(known[name] for name in FIRST_TOUCH))
    assert first_touch(EVENTS).rows() == expected


def test_no_events() -> None:
    assert enriched(EVENTS.clear()).columns == enriched(EVENTS).columns
    assert first_touch(EVENTS.clear()).columns == list(FIRST_TOUCH)
