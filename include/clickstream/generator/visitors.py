"""Who comes and from where: browsers as they call themselves, bots that say so, and sources of visits."""
# ruff: noqa: E501 - a user agent or an address is one line

from typing import NamedTuple

import numpy as np

from clickstream.generator.catalog import Page
from clickstream.generator.randomness import choices

DESKTOP, MOBILE, TABLET, CRAWLER = range(4)
PERSON, DECLARED_BOT, COVERT_BOT = range(3)
KIND_NAMES = ("person", "declared", "behavioural")
DEVICE_WEIGHTS = (0.40, 0.53, 0.07)

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_LINUX = "Mozilla/5.0 (X11; Linux x86_64)"
_BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS {os} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
_IPAD = "Mozilla/5.0 (iPad; CPU OS {os} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
_ANDROID = "Mozilla/5.0 (Linux; Android {os}; {model})"

# (device, weight within the device, user agent)
AGENTS: tuple[tuple[int, float, str], ...] = (
    (DESKTOP, 22, f"{_WINDOWS} {_BLINK} Chrome/142.0.0.0 Safari/537.36"),
    (DESKTOP, 9, f"{_WINDOWS} {_BLINK} Chrome/141.0.0.0 Safari/537.36"),
    (DESKTOP, 3, f"{_WINDOWS} {_BLINK} Chrome/138.0.0.0 Safari/537.36"),
    (DESKTOP, 12, f"{_WINDOWS} {_BLINK} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0"),
    (DESKTOP, 4, f"{_WINDOWS} {_BLINK} Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0"),
    (DESKTOP, 2, f"{_WINDOWS} {_BLINK} Chrome/141.0.0.0 Safari/537.36 OPR/125.0.0.0"),
    (DESKTOP, 5, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"),
    (DESKTOP, 2, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (DESKTOP, 9, f"{_MAC} {_BLINK} Chrome/142.0.0.0 Safari/537.36"),
    (DESKTOP, 9, f"{_MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15"),
    (DESKTOP, 5, f"{_MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15"),
    (DESKTOP, 2, "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0"),
    (DESKTOP, 3, f"{_LINUX} {_BLINK} Chrome/142.0.0.0 Safari/537.36"),
    (DESKTOP, 2, "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
    (DESKTOP, 1, f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_BLINK} Chrome/142.0.0.0 Safari/537.36"),
    (MOBILE, 14, f"{_IPHONE.format(os='18_7')} Version/26.1 Mobile/15E148 Safari/604.1"),
    (MOBILE, 12, f"{_IPHONE.format(os='18_6')} Version/18.6 Mobile/15E148 Safari/604.1"),
    (MOBILE, 5, f"{_IPHONE.format(os='17_6')} Version/17.6 Mobile/15E148 Safari/604.1"),
    (MOBILE, 4, f"{_IPHONE.format(os='18_7')} CriOS/142.0.7444.148 Mobile/15E148 Safari/604.1"),
    (MOBILE, 1, f"{_IPHONE.format(os='18_6')} FxiOS/145.0 Mobile/15E148 Safari/605.1.15"),
    (MOBILE, 2, f"{_IPHONE.format(os='18_6')} GSA/393.0.831161633 Mobile/15E148 Safari/604.1"),
    (MOBILE, 16, f"{_ANDROID.format(os=10, model='K')} {_BLINK} Chrome/142.0.0.0 Mobile Safari/537.36"),
    (MOBILE, 8, f"{_ANDROID.format(os=10, model='K')} {_BLINK} Chrome/141.0.0.0 Mobile Safari/537.36"),
    (MOBILE, 3, f"{_ANDROID.format(os=15, model='Pixel 9')} {_BLINK} Chrome/142.0.7444.138 Mobile Safari/537.36"),
    (MOBILE, 3, f"{_ANDROID.format(os=14, model='SM-S921B')} {_BLINK} Chrome/141.0.7390.122 Mobile Safari/537.36"),
    (MOBILE, 5, f"{_ANDROID.format(os=10, model='K')} {_BLINK} SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36"),
    (MOBILE, 2, f"{_ANDROID.format(os=10, model='K')} {_BLINK} Chrome/141.0.0.0 Mobile Safari/537.36 EdgA/141.0.0.0"),
    (MOBILE, 2, "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0"),
    (MOBILE, 1, f"{_ANDROID.format(os=10, model='K')} {_BLINK} Chrome/140.0.0.0 Mobile Safari/537.36 OPR/92.0.0.0"),
    (TABLET, 10, f"{_IPAD.format(os='17_6')} Version/17.6 Mobile/15E148 Safari/604.1"),
    (TABLET, 5, f"{_IPAD.format(os='16_7')} Version/16.6 Mobile/15E148 Safari/604.1"),
    (TABLET, 2, f"{_IPAD.format(os='18_6')} CriOS/142.0.7444.148 Mobile/15E148 Safari/604.1"),
    (TABLET, 4, f"{_ANDROID.format(os=14, model='SM-X710')} {_BLINK} Chrome/141.0.0.0 Safari/537.36"),
    (TABLET, 2, f"{_ANDROID.format(os=13, model='SM-X200')} {_BLINK} SamsungBrowser/28.0 Chrome/130.0.0.0 Safari/537.36"),
    (TABLET, 1, f"{_ANDROID.format(os=9, model='KFTRWI')} {_BLINK} Silk/128.4.1 like Chrome/128.0.6613.187 Safari/537.36"),
)  # fmt: skip
BOT_AGENTS: tuple[tuple[float, str], ...] = (
    (30, "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
    (10, f"{_ANDROID.format(os='6.0.1', model='Nexus 5X Build/MMB29P')} {_BLINK} Chrome/142.0.7444.134 Mobile Safari/537.36"
         " (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
    (14, "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"),
    (12, f"Mozilla/5.0 {_BLINK}; compatible; GPTBot/1.2; +https://openai.com/gptbot"),
    (6, f"Mozilla/5.0 {_BLINK}; compatible; ClaudeBot/1.0; +claudebot@anthropic.com"),
    (4, f"Mozilla/5.0 {_BLINK}; compatible; PerplexityBot/1.0; +https://perplexity.ai/perplexitybot"),
    (9, "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"),
    (6, "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)"),
    (4, "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)"),
    (3, "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"),
    (2, "Mozilla/5.0 (compatible; DotBot/1.2; +https://opensiteexplorer.org/dotbot; help@moz.com)"),
)  # fmt: skip
USER_AGENTS = [agent for _, _, agent in AGENTS] + [agent for _, agent in BOT_AGENTS]
# Indices into USER_AGENTS by uniform index: one table a device, and one for bots that say what they are.
AGENT_TABLES = np.stack(
    [choices([weight if device == wanted else 0 for device, weight, _ in AGENTS]) for wanted in range(3)]
    + [choices([weight for weight, _ in BOT_AGENTS]) + np.int16(len(AGENTS))]
)


class Source(NamedTuple):
    """A way into the shop. ``query`` is appended to the first page's URL, ``{id}`` being a click id."""

    weight: float
    entry: str
    referrer: str | None
    query: str


_ADS = "utm_source={0}&utm_medium=cpc&utm_campaign={1}"
SOURCES: tuple[Source, ...] = (
    Source(27, "direct", None, ""),
    Source(20, "search", "https://www.google.com/", ""),
    Source(4, "search", "https://www.bing.com/", ""),
    Source(2.5, "search", "https://duckduckgo.com/", ""),
    Source(1, "search", "https://search.yahoo.com/", ""),
    Source(0.7, "search", "https://www.ecosia.org/", ""),
    Source(2.5, "social", "https://l.facebook.com/", ""),
    Source(3, "social", "https://l.instagram.com/", ""),
    Source(1.2, "social", "https://t.co/Qx81LmZ", ""),
    Source(1.6, "social", "https://www.reddit.com/r/hiking/", ""),
    Source(1.2, "social", "https://www.pinterest.com/", ""),
    Source(1.3, "social", "https://www.youtube.com/", ""),
    Source(1, "social", "https://www.tiktok.com/", ""),
    Source(3, "email", "https://mail.google.com/", "utm_source=newsletter&utm_medium=email&utm_campaign=weekly-deals"),
    Source(2, "email", None, "utm_source=newsletter&utm_medium=email&utm_campaign=back-in-stock"),
    Source(1.3, "email", "https://outlook.live.com/", "utm_source=crm&utm_medium=email&utm_campaign=cart-reminder"),
    Source(2, "assistant", "https://chatgpt.com/", "utm_source=chatgpt.com"),
    Source(0.8, "assistant", "https://www.perplexity.ai/", ""),
    Source(0.6, "assistant", "https://gemini.google.com/", ""),
    Source(0.4, "assistant", "https://copilot.microsoft.com/", ""),
    Source(0.4, "assistant", "https://claude.ai/", ""),
    Source(1.6, "referral", "https://www.outdoor-magazine.example/tests/boots-2026", ""),
    Source(1.2, "referral", "https://www.trailblog.example/", ""),
    Source(0.8, "referral", "https://forum.ultralight.example/viewtopic.php?t=48213", ""),
    Source(7, "paid", "https://www.google.com/", _ADS.format("google", "brand") + "&gclid={id}"),
    Source(5, "paid", "https://www.google.com/", _ADS.format("google", "tents-autumn") + "&gclid={id}"),
    Source(1.2, "paid", "https://www.bing.com/", _ADS.format("bing", "generic") + "&msclkid={id}"),
    Source(3, "paid", "https://l.facebook.com/", "utm_source=facebook&utm_medium=paid_social&utm_campaign=lookalike&fbclid={id}"),
    Source(2, "paid", "https://l.instagram.com/", "utm_source=instagram&utm_medium=paid_social&utm_campaign=stories&fbclid={id}"),
    Source(1, "affiliate", "https://www.gear-coupons.example/", "utm_source=gear-coupons&utm_medium=affiliate&utm_campaign=autumn"),
    Source(0.7, "paid", None, "utm_source=outdoor-network&utm_medium=display&utm_campaign=retargeting"),
)  # fmt: skip
SOURCE_TABLE = choices([source.weight for source in SOURCES])
_ENTRIES: dict[str, dict[Page, float]] = {
    "direct": {Page.HOME: 70, Page.CATEGORY: 8, Page.PRODUCT: 6, Page.ACCOUNT: 5, Page.LOGIN: 5, Page.CART: 6},
    "search": {Page.HOME: 25, Page.CATEGORY: 25, Page.PRODUCT: 30, Page.BLOG: 15, Page.HELP: 5},
    "social": {Page.HOME: 15, Page.PRODUCT: 40, Page.BLOG: 30, Page.DEALS: 15},
    "email": {Page.DEALS: 40, Page.PRODUCT: 35, Page.CATEGORY: 15, Page.CART: 10},
    "assistant": {Page.PRODUCT: 45, Page.BLOG: 30, Page.CATEGORY: 20, Page.HELP: 5},
    "referral": {Page.HOME: 25, Page.PRODUCT: 45, Page.BLOG: 30},
    "paid": {Page.CATEGORY: 40, Page.PRODUCT: 40, Page.DEALS: 15, Page.HOME: 5},
    "affiliate": {Page.DEALS: 70, Page.PRODUCT: 30},
}
# ENTRY[source, uniform index] is the kind of the first page.
ENTRY = np.stack([choices([_ENTRIES[source.entry].get(page, 0) for page in Page]) for source in SOURCES])
