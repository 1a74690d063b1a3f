"""GA4's default channel group as its documentation defines it, and what brings a visitor to a page."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.enrich import channel_group, read_acquisition
from clickstream.generator.visitors import SOURCES

SHOP = "https://shop.example/"


@pytest.mark.parametrize(
    ("source", "medium", "campaign", "channel"),
    [
        ("(direct)", "(none)", None, "Direct"),
        ("(direct)", "(not set)", None, "Direct"),
        ("google", "cpc", "2026 Cross-network autumn", "Cross-network"),
        ("amazon.com", "cpc", None, "Paid Shopping"),
        ("google", "cpc", "Shopping autumn", "Paid Shopping"),
        ("google", "ppc", "shop-all", "Paid Shopping"),
        ("google", "cpc", "eshop", "Paid Shopping"),  # GA4's pattern lets an e stand before shop, and no other letter
        ("google", "cpc", "workshop", "Paid Search"),
        ("google", "cpc", None, "Paid Search"),
        ("bing", "ppc", None, "Paid Search"),
        ("yandex", "paidsearch", None, "Paid Search"),
        ("facebook", "cpc", None, "Paid Social"),
        ("facebook", "paid_social", None, "Paid Social"),
        ("fb", "retargeting", None, "Paid Social"),
        ("linkedin.com", "CPM", None, "Paid Social"),
        ("youtube.com", "cpv", None, "Paid Video"),
        ("youtube.com", "cpc", None, "Paid Video"),
        ("partner", "display", None, "Display"),
        ("partner", "banner", None, "Display"),
        ("partner", "expandable", None, "Display"),
        ("partner", "interstitial", None, "Display"),
        ("partner", "cpm", None, "Display"),
        ("partner", "cpc", None, "Paid Other"),
        ("partner", "retargeting", None, "Paid Other"),
        ("chatgpt", "ai-assistant", None, "AI Assistant"),
        ("chatgpt.com", "(not set)", None, "AI Assistant"),
        ("claude.ai", "referral", None, "AI Assistant"),
        ("www.amazon.co.uk", "referral", None, "Organic Shopping"),
        ("partner", "referral", "spring shopping", "Organic Shopping"),
        ("m.facebook.com", "referral", None, "Organic Social"),
        ("t.co", "referral", None, "Organic Social"),
        ("partner", "social", None, "Organic Social"),
        ("partner", "Social Media", None, "Organic Social"),
        ("partner", "sm", None, "Organic Social"),
        ("youtube.com", "referral", None, "Organic Video"),
        ("partner", "newvideo", None, "Organic Video"),
        ("google", "organic", None, "Organic Search"),
        ("duckduckgo.com", "referral", None, "Organic Search"),
        ("partner", "organic", None, "Organic Search"),
        ("partner", "referral", None, "Referral"),
        ("partner", "app", None, "Referral"),
        ("partner", "link", None, "Referral"),
        ("email", "weekly", None, "Email"),
        ("crm", "e-mail", None, "Email"),
        ("crm", "e_mail", None, "Email"),
        ("crm", "E mail", None, "Email"),
        ("partner", "affiliate", None, "Affiliates"),
        ("podcast", "audio", None, "Audio"),
        ("sms", "text", None, "SMS"),
        ("partner", "sms", None, "SMS"),
        ("partner", "webpush", None, "Mobile Push Notifications"),
        ("partner", "mobile-app", None, "Mobile Push Notifications"),
        ("partner", "in-notification", None, "Mobile Push Notifications"),
        ("firebase", "x", None, "Mobile Push Notifications"),
        # Names of GA4's published list of sources, where a longer or a looser entry would say otherwise.
        ("plus.google.com", "referral", None, "Organic Social"),
        ("plus.url.google.com", "referral", None, "Organic Social"),
        ("groups.google.com", "referral", None, "Organic Social"),
        ("messages.google.com", "referral", None, "Organic Social"),
        ("docs.google.com", "referral", None, "Referral"),
        ("mail.google.com", "referral", None, "Organic Search"),
        ("google-play", "referral", None, "Organic Search"),
        ("answers.yahoo.com", "referral", None, "Organic Social"),
        ("chiebukuro.yahoo.co.jp", "referral", None, "Organic Social"),
        ("shopping.yahoo.co.jp", "referral", None, "Organic Shopping"),
        ("de.search.yahoo.com", "referral", None, "Organic Search"),
        ("m.kin.naver.com", "referral", None, "Organic Social"),
        ("m.search.naver.com", "referral", None, "Organic Search"),
        ("rakuten.co.jp", "referral", None, "Organic Search"),
        ("websearch.rakuten.co.jp", "referral", None, "Organic Search"),
        ("nicovideo.jp", "referral", None, "Organic Social"),
        ("blogspot.com", "cpc", None, "Paid Social"),
        ("TripAdvisor", "referral", None, "Organic Social"),
        ("getpocket.com", "referral", None, "Organic Social"),
        ("IGShopping", "social", None, "Organic Shopping"),
        ("justin.tv", "referral", None, "Organic Video"),
        ("blip.fm", "referral", None, "Organic Social"),
        ("checkout.stripe.com", "referral", None, "Organic Shopping"),
        ("centrum.cz", "referral", None, "Organic Search"),
        ("fast.wistia.net", "cpc", None, "Paid Video"),
        ("partner", "qr", None, "Unassigned"),
        (None, None, None, "Unassigned"),
        ("google.evil.example", "(not set)", None, "Unassigned"),
        ("blog.google", "referral", None, "Referral"),
    ],
)
def test_ga4s_channels(source: str | None, medium: str | None, campaign: str | None, channel: str) -> None:
    assert channel_group(source, medium, campaign) == channel


@pytest.mark.parametrize(
    ("page", "referrer", "expected"),
    [
        (SHOP, None, ("(direct)", "(none)", None, None, "Direct")),
        (SHOP, SHOP + "cart", ("(direct)", "(none)", None, None, "Direct")),
        (SHOP, "https://www.google.co.uk/", ("google", "organic", None, None, "Organic Search")),
        (SHOP + "?gclid=a", "https://www.google.com/", ("google", "cpc", None, "gclid", "Paid Search")),
        (SHOP + "?wbraid=a", None, ("google", "cpc", None, "wbraid", "Paid Search")),
        (SHOP + "?msclkid=a", None, ("bing", "cpc", None, "msclkid", "Paid Search")),
        (SHOP + "?yclid=a", None, ("yandex", "cpc", None, "yclid", "Paid Search")),
        (SHOP + "?dclid=a", None, ("doubleclick", "display", None, "dclid", "Display")),
        (SHOP + "?ttclid=a", None, ("tiktok", "paid", None, "ttclid", "Paid Social")),
        (SHOP + "?twclid=a", None, ("x", "paid", None, "twclid", "Paid Social")),
        (SHOP + "?li_fat_id=a", None, ("linkedin", "paid", None, "li_fat_id", "Paid Social")),
        (SHOP + "?fbclid=a", None, ("facebook", "social", None, "fbclid", "Organic Social")),
        (SHOP + "?fbclid=a", "https://blog.example/", ("blog.example", "referral", None, "fbclid", "Referral")),
        (SHOP + "?utm_source=News&utm_medium=Email&utm_campaign=A", None, ("news", "email", "A", None, "Email")),
        (SHOP + "?utm_source=chatgpt.com", "https://chatgpt.com/",
         ("chatgpt.com", "(not set)", None, None, "AI Assistant")),
        (SHOP + "?utm_source=crm&utm_medium=email&gclid=1", None, ("crm", "email", None, "gclid", "Email")),
        (SHOP + "?utm_source=google&gclid=1", None, ("google", "cpc", None, "gclid", "Paid Search")),
        (SHOP, "https://plus.google.com/a", ("google-plus", "referral", None, None, "Organic Social")),
        (SHOP, "https://m.kin.naver.com/a", ("naver-blog", "referral", None, None, "Organic Social")),
        (SHOP, "https://store.shopping.yahoo.co.jp/", ("yahoo-shopping", "referral", None, None, "Organic Shopping")),
        (SHOP, "www.google.com/search", ("google", "organic", None, None, "Organic Search")),
        (SHOP, "https://mail.google.com/", ("gmail", "email", None, None, "Email")),
        (SHOP, "android-app://com.linkedin.android/", ("linkedin", "referral", None, None, "Organic Social")),
        (SHOP, "https://www.awin1.com/x", ("awin", "affiliate", None, None, "Affiliates")),
        (SHOP, "https://trc.taboola.com/x", ("taboola", "display", None, None, "Display")),
    ],
)  # fmt: skip
def test_what_brought_a_visitor(page: str, referrer: str | None, expected: tuple[str | None, ...]) -> None:
    assert tuple(read_acquisition(page, referrer)) == expected


def test_every_way_into_the_simulated_shop_has_its_channel() -> None:
    allowed = {
        "direct": {"Direct"}, "search": {"Organic Search"}, "social": {"Organic Social", "Organic Video"},
        "email": {"Email"}, "assistant": {"AI Assistant"}, "referral": {"Referral"},
        "paid": {"Paid Search", "Paid Social", "Display"}, "affiliate": {"Affiliates"},
    }  # fmt: skip
    for way in SOURCES:
        found = read_acquisition(f"{SHOP}?{way.query}", way.referrer)
        assert found.channel in allowed[way.entry], (way, found)


@settings(deadline=None)
@given(st.text(), st.none() | st.text())
def test_any_text_has_a_channel_that_can_be_stored(page: str, referrer: str | None) -> None:
    for value in read_acquisition(page, referrer):
        assert value is None or ("\0" not in value and value.encode())


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_any_source_has_a_channel(source: str, medium: str, campaign: str) -> None:
    assert channel_group(source, medium, campaign)
