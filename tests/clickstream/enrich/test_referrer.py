"""Media and sources of referrers: listed hosts, every country, apps, and what only looks like a listed host."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.enrich import Page, Referrer, read_page, read_referrer, referrer_medium
from clickstream.enrich.referrer import sites


@pytest.mark.parametrize(
    ("referrer", "medium", "source"),
    [
        ("https://www.google.com/", "search", "google"),
        ("https://www.google.co.jp/", "search", "google"),
        ("https://GOOGLE.com.br./", "search", "google"),
        ("https://yandex.com.tr/", "search", "yandex"),
        ("https://search.yahoo.co.jp/x", "search", "yahoo"),
        ("https://google.evil.example/", "referral", "google.evil.example"),
        ("https://notgoogle.com/", "referral", "notgoogle.com"),
        ("https://docs.google.com/a", "referral", "google-workspace"),
        ("https://gemini.google.com/app", "ai_assistant", "gemini"),
        ("https://www.perplexity.ai/", "ai_assistant", "perplexity"),
        ("https://mail.yahoo.com/", "email", "yahoo-mail"),
        ("https://lm.facebook.com/l.php", "social", "facebook"),
        ("https://old.reddit.com/", "social", "reddit"),
        ("https://www.pinterest.co.uk/", "social", "pinterest"),
        ("https://googleads.g.doubleclick.net/", "paid", "doubleclick"),
        ("https://www.shareasale.com/", "affiliate", "shareasale"),
        ("android-app://com.google.android.gm/", "email", "gmail"),
        ("android-app://com.google.android.googlequicksearchbox/https/www.google.com", "search", "google"),
        ("android-app://com.slack", "social", "slack"),
        ("android-app://com.google.android.apps.docs", "referral", "com.google.android.apps.docs"),
        ("https://www.blog.example:8080/a", "referral", "blog.example"),
        ("https://bücher.example/", "referral", "xn--bcher-kva.example"),
        ("google.com", "search", "google"),
        ("www.google.com/search?q=a", "search", "google"),
        ("shop.example:8080", "referral", "shop.example"),
        ("plus.google.com/a", "social", "google-plus"),
        ("https://sites.google.com/x", "social", "google-sites"),
        ("a sentence. And more", "direct", None),
        ("/bare/path.html", "direct", None),
        ("about:blank", "direct", None),
        ("https://[bad", "referral", None),
    ],
)
def test_known_referrers(referrer: str, medium: str, source: str | None) -> None:
    read = read_referrer(referrer)
    assert (read.medium, read.source) == (medium, source)


def test_www_makes_no_other_site() -> None:
    assert referrer_medium("https://www.shop.example/", read_page("https://shop.example/a")) == "internal"


def test_every_listed_host_is_found_as_it_is_listed() -> None:
    assert len(sites()) > 350
    for host, site in sites().items():
        assert host == host.lower()
        scheme = "android-app" if host.count(".") > 1 and host.startswith(("com.", "org.", "ai.")) else "https"
        name = host + "com" if host.endswith(".") else host
        assert read_referrer(f"{scheme}://{name}/x") == Referrer(name, *site)


@settings(deadline=None)
@given(st.text())
def test_any_text_has_a_medium(text: str) -> None:
    for referrer in (text, f"https://{text}/", f"android-app://{text}"):
        assert referrer_medium(referrer, Page("/", "", None))
        host = read_referrer(referrer).host
        assert "\0" not in host
        assert host.encode() is not None
