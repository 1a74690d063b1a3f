"""What is derived from one event alone: pure functions of text, cached on distinct values."""

from clickstream.enrich.bots import Conduct, bot_reason, bot_reasons
from clickstream.enrich.campaign import Campaign, read_campaign
from clickstream.enrich.channel import Acquisition, channel_group, read_acquisition
from clickstream.enrich.columns import FIRST_TOUCH, enriched, first_touch
from clickstream.enrich.page import Page, read_page
from clickstream.enrich.page_groups import OTHER, page_group, read_groups
from clickstream.enrich.referrer import Referrer, read_referrer, referrer_medium
from clickstream.enrich.user_agent import Agent, Software, read_agent, read_software

__all__ = [
    "FIRST_TOUCH", "OTHER", "Acquisition", "Agent", "Campaign", "Conduct", "Page", "Referrer", "Software",
    "bot_reason", "bot_reasons", "channel_group", "enriched", "first_touch", "page_group", "read_acquisition",
    "read_agent", "read_campaign", "read_groups", "read_page", "read_referrer", "read_software",
    "referrer_medium", "warm",
]  # fmt: skip


def warm() -> None:
    """Load every list and compiled pattern, so that the first batch does not pay for it."""
    read_page("https://shop.example/?utm_medium=email")
    referrer_medium("https://www.google.com/", Page("/", "shop.example", None))
    read_agent("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36")
    page_group("/")
    read_acquisition("https://shop.example/?utm_medium=email", "https://www.google.com/")
