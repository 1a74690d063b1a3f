"""Browser, system, device and declared bot of a user agent, by ua-parser (compiled) and crawler-user-agents."""

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


class Software(NamedTuple):
    """`browser` and `os` are names or ``other``; versions are ``major.minor`` or ``major``, None where unsaid."""

    device: str
    browser: str
    browser_version: str | None
    os: str
    os_version: str | None
    bot: str | None


@lru_cache(maxsize=100_000)
def read_software(user_agent: str | None) -> Software:
    """All that a user agent says of itself. Never raises; a missing or unknown one is ``other``."""
    if not user_agent:
        return Software("other", "other", None, "other", None, None)
    parsed = ua_parser.parse(user_agent)
    browser, version, system, system_version = "other", None, "other", None
    if parsed.user_agent:
        browser = _BROWSERS.get(parsed.user_agent.family, parsed.user_agent.family)
        version = _version(parsed.user_agent.major, parsed.user_agent.minor)
    if parsed.os:
        system, system_version = parsed.os.family, _version(parsed.os.major, parsed.os.minor)
    if crawleruseragents.is_crawler(user_agent) or (parsed.device and parsed.device.family == "Spider"):
        return Software("bot", browser, version, system, system_version, "declared")
    return Software(_device(user_agent, system), browser, version, system, system_version, None)


@lru_cache(maxsize=100_000)
def read_agent(user_agent: str | None) -> Agent:
    """What the stream keeps of `read_software`."""
    software = read_software(user_agent)
    return Agent(software.device, software.browser, software.bot)


def _version(major: str | None, minor: str | None) -> str | None:
    # Chrome and Edge freeze their minor version at 0: "142", not "142.0".
    return f"{major}.{minor}" if major and minor and minor != "0" else major


def _device(user_agent: str, system: str) -> str:
    # An Android agent without "Mobile" is a tablet by Google's own rule.
    if _TABLET.search(user_agent) or (system == "Android" and "Mobile" not in user_agent):
        return "tablet"
    if _MOBILE.search(user_agent):
        return "mobile"
    return "desktop" if system in _DESKTOP_SYSTEMS else "other"
