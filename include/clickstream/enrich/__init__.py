"""What is derived from one event alone: pure functions of text, cached on distinct values."""

from clickstream.enrich.columns import enriched
from clickstream.enrich.page import Page, read_page
from clickstream.enrich.referrer import referrer_medium
from clickstream.enrich.user_agent import Agent, read_agent

__all__ = ["Agent", "Page", "enriched", "read_agent", "read_page", "referrer_medium", "warm"]


def warm() -> None:
    """Load every list and compiled pattern, so that the first batch does not pay for it."""
    read_page("https://shop.example/?utm_medium=email")
    referrer_medium("https://www.google.com/", Page("/", "shop.example", None))
    read_agent("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36")
