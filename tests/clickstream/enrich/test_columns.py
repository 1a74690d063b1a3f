"""Columns of a frame equal the rules asked row by row, whatever repeats or is missing."""

import polars as pl

from clickstream.enrich import detailed, enriched, page_group, read_acquisition, read_agent, read_page, read_software

URLS = ["https://shop.example/deals?gclid=1", "https://shop.example/cart", "https://shop.example/cart"]
REFERRERS = ["https://www.google.com/", None, "https://shop.example/"]
AGENTS = ["curl/8.5.0", None, "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"]
EVENTS = pl.DataFrame({"n": [1, 2, 3], "page_url": URLS, "referrer": REFERRERS, "user_agent": AGENTS})


def test_what_the_stream_keeps_has_not_changed() -> None:
    found = enriched(EVENTS)
    assert found.columns == [*EVENTS.columns, "page_path", "referrer_medium", "device", "browser", "bot"]
    assert found["referrer_medium"].to_list() == ["paid", "direct", "internal"]
    assert [tuple(row) for row in found.select("device", "browser", "bot").rows()] == list(map(read_agent, AGENTS))


def test_details() -> None:
    found = detailed(EVENTS)
    expected = [
        (*read_acquisition(url, referrer), page_group(read_page(url).path), *read_software(agent)[2:5])
        for url, referrer, agent in zip(URLS, REFERRERS, AGENTS, strict=True)
    ]
    assert found.select(pl.exclude(EVENTS.columns)).rows() == expected
    assert found.select(EVENTS.columns).equals(EVENTS)


def test_no_events() -> None:
    assert detailed(EVENTS.clear()).columns == detailed(EVENTS).columns
