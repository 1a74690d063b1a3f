"""UTM parameters and click ids of page URLs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.enrich import Campaign, read_campaign, read_page
from clickstream.enrich.campaign import click_ids

ALL = "utm_source=News+Letter&utm_medium=EMAIL&utm_campaign=Spring%20Sale&utm_term=a&utm_content=b&utm_id=7"


@pytest.mark.parametrize(
    ("url", "campaign"),
    [
        (f"https://shop.example/?{ALL}#top", Campaign("news letter", "email", "Spring Sale", "a", "b", "7")),
        (f"/bare?{ALL}", Campaign("news letter", "email", "Spring Sale", "a", "b", "7")),
        ("https://shop.example/?q=1", Campaign()),
        ("https://shop.example/#?utm_source=a", Campaign()),
        ("/?utm_source=%00%20&utm_medium=a%00b", Campaign(medium="ab")),
        ("/?utm_source=" + "a" * 300, Campaign(source="a" * 256)),
        ("/?gclid=1&fbclid=2", Campaign(click_id="gclid")),
        ("/?fbclid=2&gclid=1", Campaign(click_id="gclid")),
        ("/?gclid=", Campaign()),
        ("/?" + "&".join(f"a{n}=1" for n in range(65)) + "&utm_source=x", Campaign()),
    ],
)
def test_tags(url: str, campaign: Campaign) -> None:
    assert read_campaign(url) == campaign


@pytest.mark.parametrize("name", click_ids())
def test_every_click_id_is_seen(name: str) -> None:
    assert read_campaign(f"/?{name}=1").click_id == name


@pytest.mark.parametrize(
    ("query", "medium"),
    [
        ("gclid=1", "paid"), ("dclid=1", "paid"), ("ttclid=1", "paid"), ("fbclid=1", None), ("mc_eid=1", None),
        ("awc=1", None), ("utm_medium=email&gclid=1", "email"), ("utm_source=google&gclid=1", "paid"),
        ("utm_campaign=june&gclid=1", "paid"), ("utm_medium=qr&gclid=1", None), ("utm_medium=paid_social", "paid"),
        ("utm_medium=newsletter", "email"), ("utm_medium=sm", "social"), ("utm_medium=Social+Media", "social"),
        ("utm_medium=display", "paid"), ("utm_medium=banner", "paid"), ("utm_medium=expandable", "paid"),
        ("utm_medium=interstitial", "paid"), ("utm_source=chatgpt.com", "ai_assistant"),
        ("utm_source=claude.ai&utm_medium=referral", "ai_assistant"),
        ("utm_source=google&utm_medium=organic", "search"), ("utm_source=facebook", "social"),
        ("utm_source=amazon", "referral"), ("utm_source=partner", None),
        ("utm_source=partner&utm_medium=referral", "referral"), ("utm_source=docs.google.com", None),
    ],
)  # fmt: skip
def test_the_tagged_medium(query: str, medium: str | None) -> None:
    assert read_page(f"https://shop.example/?{query}").tagged_medium == medium


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read(text: str) -> None:
    for url in (text, f"/?utm_source={text}&{text}=1"):
        for value in read_campaign(url):
            assert value is None or (value and len(value) <= 256 and "\0" not in value)
