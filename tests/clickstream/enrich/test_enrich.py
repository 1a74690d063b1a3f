"""Known cases of what is derived from one event."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.enrich import Agent, read_agent, read_page, referrer_medium

SHOP = "https://shop.example/"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (SHOP, "/"),
        ("https://shop.example", "/"),
        ("https://shop.example/a/b/?q=1#top", "/a/b"),
        ("https://shop.example//a///b", "/a/b"),
        ("/bare/path?x", "/bare/path"),
        ("/p;jsessionid=1", "/p"),
        ("/shop;jsessionid=1/cart", "/shop/cart"),
        ("/shop;a=1;b=2/cart;c/", "/shop/cart"),
        ("https://shop.example/;jsessionid=1", "/"),
        ("http://[bad", "/http:/[bad"),
        ("app://home", "/"),
    ],
)
def test_page_paths(url: str, path: str) -> None:
    assert read_page(url).path == path


@given(st.text(min_size=1))
def test_any_text_has_a_path(url: str) -> None:
    assert read_page(url).path.startswith("/")


@pytest.mark.parametrize(
    ("referrer", "page", "medium"),
    [
        (None, SHOP, "direct"),
        ("", SHOP, "direct"),
        ("https://shop.example/cart", SHOP, "internal"),
        ("https://www.google.co.uk/", SHOP, "search"),
        ("https://duckduckgo.com/", SHOP, "search"),
        ("https://gemini.google.com/app", SHOP, "ai_assistant"),
        ("https://chatgpt.com/", SHOP, "ai_assistant"),
        ("https://mail.google.com/", SHOP, "email"),
        ("https://l.instagram.com/", SHOP, "social"),
        ("https://t.co/x", SHOP, "social"),
        ("https://blog.example.org/post", SHOP, "referral"),
        ("https://notgoogle.com/", SHOP, "referral"),
        ("https://www.google.com/", SHOP + "?gclid=1", "paid"),
        (None, SHOP + "?utm_source=news&utm_medium=email", "email"),
        (None, SHOP + "?utm_medium=cpc", "paid"),
        (None, SHOP + "?utm_medium=affiliate", "affiliate"),
        (None, SHOP + "?utm_source=chatgpt.com", "ai_assistant"),
        (None, SHOP + "?utm_medium=banner", "paid"),
        ("www.google.com/search", SHOP, "search"),
        ("shop.example/cart", SHOP, "internal"),
        ("https://[bad", SHOP, "referral"),
    ],
)
def test_referrer_media(referrer: str | None, page: str, medium: str) -> None:
    assert referrer_medium(referrer, read_page(page)) == medium


CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0"
SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5"


@pytest.mark.parametrize(
    ("user_agent", "agent"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36", Agent("desktop", "Chrome", None)),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/131.0", Agent("desktop", "Edge", None)),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {SAFARI} Mobile/15E148 Safari/604.1",
            Agent("mobile", "Safari", None),
        ),
        (
            f"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) {SAFARI} Mobile/15E148 Safari/604.1",
            Agent("tablet", "Safari", None),
        ),
        (f"Mozilla/5.0 (Linux; Android 14; SM-X710) {CHROME} Safari/537.36", Agent("tablet", "Chrome", None)),
        (f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {CHROME} Mobile Safari/537.36", Agent("mobile", "Chrome", None)),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", Agent("desktop", "Firefox", None)),
        (
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            Agent("bot", "Googlebot", "declared"),
        ),
        ("Mozilla/5.0 AppleWebKit/537.36 (compatible; GPTBot/1.2; +https://openai.com/gptbot)",
         Agent("bot", "GPTBot", "declared")),
        ("curl/8.5.0", Agent("bot", "curl", "declared")),
        (None, Agent("other", "other", None)),
        ("", Agent("other", "other", None)),
    ],
)  # fmt: skip
def test_agents(user_agent: str | None, agent: Agent) -> None:
    assert read_agent(user_agent) == agent
