"""Browsers, systems and their versions; devices and bots are in test_enrich."""

import pytest
import ua_parser
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.enrich import Software, read_agent, read_software
from clickstream.generator.visitors import AGENTS, BOT_AGENTS

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "software"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36",
         Software("desktop", "Chrome", "142", "Windows", "10", None)),
        (f"{IPHONE} Version/17.5 Mobile/15E148 Safari/604.1",
         Software("mobile", "Safari", "17.5", "iOS", "17.5", None)),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0",
         Software("desktop", "Firefox", "145", "Mac OS X", "10.15", None)),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
         Software("bot", "Googlebot", "2.1", "other", None, "declared")),
        ("Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
         "Mobile/15E148 Safari/604.1", Software("tablet", "Safari", "17.5", "iOS", "17.5", None)),
        (f"Mozilla/5.0 (Linux; Android 14; SM-X710) {CHROME} Safari/537.36",
         Software("tablet", "Chrome", "142", "Android", "14", None)),
        ("Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 "
         "Chrome/122.0.0.0 Mobile Safari/537.36", Software("mobile", "Samsung Internet", "26", "Android", "14", None)),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/142.0.0.0",
         Software("desktop", "Edge", "142", "Windows", "10", None)),
        (f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {CHROME} Mobile Safari/537.36 EdgA/142.0.0.0",
         Software("mobile", "Edge", "142", "Android", "14", None)),
        ("Mozilla/5.0 (Android 14; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
         Software("mobile", "Firefox", "145", "Android", "14", None)),
        (f"{IPHONE} FxiOS/145.0 Mobile/15E148 Safari/605.1.15",
         Software("mobile", "Firefox", "145", "iOS", "17.5", None)),
        ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
         Software("bot", "GPTBot", "1.2", "other", None, "declared")),
        ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
         Software("bot", "ClaudeBot", "1", "other", None, "declared")),
        ("curl/8.7.1", Software("bot", "curl", "8.7", "other", None, "declared")),
        (f"Mozilla/5.0 (X11; Linux x86_64) {CHROME.replace('Chrome', 'HeadlessChrome')} Safari/537.36",
         Software("bot", "HeadlessChrome", "142", "Linux", None, "declared")),
        ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
         Software("bot", "FacebookBot", "1.1", "other", None, "declared")),
        (None, Software("other", "other", None, "other", None, None)),
        ("gibberish", Software("other", "other", None, "other", None, None)),
    ],
)  # fmt: skip
def test_software(user_agent: str | None, software: Software) -> None:
    assert read_software(user_agent) == software


def test_the_compiled_resolver_is_in_use() -> None:
    assert ua_parser.RegexResolver is not None


def test_every_agent_of_the_generator() -> None:
    assert {read_agent(agent).bot for _, agent in BOT_AGENTS} == {"declared"}
    for device, _, agent in AGENTS:
        assert read_agent(agent).device == ("desktop", "mobile", "tablet")[device], agent
        software = read_software(agent)
        assert software.browser_version is not None
        assert software.os != "other"


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read(text: str) -> None:
    software = read_software(text)
    assert software.device in {"desktop", "mobile", "tablet", "bot", "other"}
    assert read_agent(text) == (software.device, software.browser, software.bot)
