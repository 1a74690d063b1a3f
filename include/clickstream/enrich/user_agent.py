"""The device, the browser and the declared bot of a user agent, by ua-parser and crawler-user-agents."""

import re
from functools import lru_cache
from typing import NamedTuple

import crawleruseragents
import ua_parser

_TABLET = re.compile(r"iPad|Tablet|PlayBook|Silk|Kindle", re.IGNORECASE)
_MOBILE = re.compile(r"Mobi|iPhone|iPod|Windows Phone|Opera Mini", re.IGNORECASE)
_DESKTOP_SYSTEMS = frozenset({"Windows", "Mac OS X", "Linux", "Ubuntu", "Chrome OS", "Fedora", "Debian", "FreeBSD"})
# One name for a browser whatever it runs on.
_BROWSERS = {
    "Mobile Safari": "Safari", "Mobile Safari UI/WKWebView": "Safari", "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome", "Chrome Mobile WebView": "Chrome", "Edge Mobile": "Edge",
    "Firefox Mobile": "Firefox", "Firefox iOS": "Firefox", "Opera Mobile": "Opera",
}  # fmt: skip


class Agent(NamedTuple):
    """`device`: desktop, mobile, tablet, bot or other; `bot`: ``declared`` or None."""

    device: str
    browser: str
    bot: str | None


@lru_cache(maxsize=100_000)
def read_agent(user_agent: str | None) -> Agent:
    """What a user agent says of itself. A missing or unknown one is ``other``."""
    if not user_agent:
        return Agent("other", "other", None)
    parsed = ua_parser.parse(user_agent)
    family = parsed.user_agent.family if parsed.user_agent else "other"
    browser = _BROWSERS.get(family, family)
    if crawleruseragents.is_crawler(user_agent) or (parsed.device and parsed.device.family == "Spider"):
        return Agent("bot", browser, "declared")
    return Agent(_device(user_agent, parsed.os.family if parsed.os else ""), browser, None)


def _device(user_agent: str, system: str) -> str:
    # An Android agent without "Mobile" is a tablet by Google's own rule.
    if _TABLET.search(user_agent) or (system == "Android" and "Mobile" not in user_agent):
        return "tablet"
    if _MOBILE.search(user_agent):
        return "mobile"
    return "desktop" if system in _DESKTOP_SYSTEMS else "other"
