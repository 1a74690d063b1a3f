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
