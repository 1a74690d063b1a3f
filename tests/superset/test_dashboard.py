"""The dashboard in a real browser: every chart's figures as its page asks for them, what is seen, what moves."""

from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
import redis
from playwright.sync_api import expect

from local.redis import Redis
from superset_browser import Dashboard, browsing, charts
from superset_seed import HOSTILE_PAGE, seed_live, seed_models, seed_warehouse
from superset_server import Superset

NOON_MS = 1_780_315_200_000  # 2026-06-01T12:00:00Z
FIGURES: dict[str, list[dict[str, Any]]] = {
    "Active users now": [{"active_users_5m": 7}],
    "Active 30 minutes": [{"active_users_30m": 23}],
    "Conversion rate": [{"conversion_rate": 0.075}],
    "Revenue": [{"revenue": 1234.5}],
    "Page load p75": [{"page_load_p75": 1900}],
    "Live as of": [{"published_at": "2026-06-01T12:02:30.250000"}],
    "Events per second": [{"events_per_second": 49.8}],
    "Event latency p95": [{"latency_p95": 1240}],
    "Events and page views per minute": [
        {"minute": NOON_MS, "events": 100, "page_views": 50},
        {"minute": NOON_MS + 60_000, "events": 120, "page_views": 60},
        {"minute": NOON_MS + 60_000, "unusual_events": 120},
    ],
    "Active users per minute": [
        {"minute": NOON_MS, "active_users": 10},
        {"minute": NOON_MS + 60_000, "active_users": 12},
    ],
    "Anomalies of the last 24 hours": [
        {"metric": "events", "value": 120, "expected": 90, "score": 4.5, "reason": HOSTILE_PAGE},
        {"metric": "revenue", "value": 120, "expected": 90, "score": 4.5, "reason": "why"},
    ],
    "Most viewed pages": [
        {"page_path": "/", "views": 300},
        {"page_path": HOSTILE_PAGE, "views": 120},
        {"page_path": "/cart", "views": 45},
    ],
    "Live funnel, sessions of the last hour": [
        {"step_label": "1. Session", "sessions": 80},
        {"step_label": "2. Product viewed", "sessions": 40},
        {"step_label": "3. Added to cart", "sessions": 20},
        {"step_label": "4. Checkout begun", "sessions": 8},
        {"step_label": "5. Purchase", "sessions": 6},
    ],
    "Purchase funnel, visitors of the latest day": [
        {"step_label": "1. View item", "users": 40},
        {"step_label": "2. Add to cart", "users": 20},
        {"step_label": "3. Begin checkout", "users": 8},
        {"step_label": "4. Purchase", "users": 6},
    ],
    "Sessions of the last hour by source and device": [
        {"referrer_medium": "direct", "mobile": 1},
        {"referrer_medium": "search", "desktop": 1, "mobile": 1},
    ],
    "Latest sessions": [
        {"visitor": "ann", "referrer_medium": "search", "device": "desktop", "entry_page": "/", "last_page": "/cart",
         "page_views": 4, "length_ms": 95_000, "purchase": "yes", "revenue": 25},
        {"visitor": "bob", "referrer_medium": "direct", "device": "mobile", "entry_page": HOSTILE_PAGE,
         "last_page": "/cart", "page_views": 1, "length_ms": 0, "purchase": "", "revenue": 0},
        {"visitor": "cid", "referrer_medium": "search", "device": "mobile", "entry_page": "/", "last_page": "/cart",
         "page_views": 2, "length_ms": 30_000, "purchase": "", "revenue": 0},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def dashboard(superset: Superset, redis_server: Redis) -> Iterator[Dashboard]:
    """The dashboard over the seeded tables, all charts loaded."""
    seed_warehouse(superset.writer_dsn)
    with (
        redis.Redis.from_url(redis_server.url()) as client,
        browsing(superset, height=2200) as opened,
    ):
        client.flushall()
        seed_live(client)
        opened.open("clickstream-live", set(FIGURES))
        yield opened


def test_every_chart_answers(dashboard: Dashboard) -> None:
    assert dashboard.failures == []
    assert set(dashboard.rows) == set(FIGURES)


@pytest.mark.parametrize("title", FIGURES)
def test_the_figures_of_each_chart(dashboard: Dashboard, title: str) -> None:
    found = dashboard.rows[title]
    assert [{name: row.get(name) for name in wanted} for row, wanted in zip(found, FIGURES[title], strict=True)] == (
        FIGURES[title]
    )


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Active users now", "7"),
        ("Active 30 minutes", "23"),
        ("Conversion rate", "7.5%"),
        ("Revenue", "1,235"),
        ("Page load p75", "1.9s"),
        ("Live as of", "12:02:30"),
        ("Events per second", "49.8"),
        ("Event latency p95", "1.2s"),
        ("Latest sessions", "1m 35s"),
    ],
)
def test_what_a_person_reads(dashboard: Dashboard, title: str, shown: str) -> None:
    expect(dashboard.card(title).get_by_text(shown, exact=True)).to_be_visible()


@pytest.mark.parametrize("title", ["Most viewed pages", "Latest sessions", "Anomalies of the last 24 hours"])
def test_hostile_text_does_nothing(dashboard: Dashboard, title: str) -> None:
    # Superset's tables show such text without its tags.
    expect(dashboard.card(title).get_by_text("/document.title='owned'", exact=True)).to_be_visible()
    assert dashboard.card(title).locator("script").count() == 0
    assert dashboard.page.title() == "Clickstream live"


def test_nothing_was_fetched_from_another_host(dashboard: Dashboard) -> None:
    assert dashboard.outside == []


def test_the_dashboard_moves_by_itself(dashboard: Dashboard, redis_server: Redis) -> None:
    with redis.Redis.from_url(redis_server.url()) as client:
        seed_live(client, active=1_011)
    expect(dashboard.card("Active users now").get_by_text("1,011", exact=True)).to_be_visible(timeout=60_000)


def test_silence_shows_no_figure(dashboard: Dashboard, redis_server: Redis) -> None:
    with redis.Redis.from_url(redis_server.url()) as client:
        client.flushall()
    expect(dashboard.card("Active users now").get_by_text("1,011")).to_have_count(0, timeout=60_000)


OTHERS = {slug: titles for slug, titles in charts().items() if slug != "clickstream-live"}
# A large figure of each: chart, column, and what SQL gives for the last week.
SUMS = {
    "clickstream-sessions": (
        "Visitors", "users", "select count(distinct user_id) from sessions where bot is null"
    ),
    "clickstream-funnels": (
        "Visitors by step", "people", "select (select count(distinct scope_id) from funnel_users where reached >= step)"
        " from funnel_steps where breakdown = '(all)' and day = current_date - 1"
    ),
    "clickstream-journeys": ("Top paths", "sessions_sum", "select sum(sessions) from paths_daily"),
    "clickstream-acquisition": (
        "Where sessions come from", "revenue_sum", "select sum(revenue) from acquisition_daily where touch = 'first'"
    ),
    "clickstream-trust": ("Every record accounted for", "read", "select sum(read) from reconciliation"),
}  # fmt: skip


@pytest.fixture(scope="module")
def models(superset: Superset) -> None:
    """Rows in the tables of the SQL models; what the live dashboard shows was looked at before."""
    seed_models(superset.writer_dsn)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("slug", OTHERS)
def test_every_other_dashboard_has_figures_in_every_chart(dashboard: Dashboard, superset: Superset, slug: str) -> None:
    titles = OTHERS[slug]
    # Few are seen at once: the page is made as long as its charts, which load when they come into view.
    dashboard.page.set_viewport_size({"width": 1440, "height": 3500})
    dashboard.open(slug, titles)
    assert dashboard.failures == []
    assert {title for title in titles if not dashboard.rows[title]} == set()
    title, column, query = SUMS[slug]
    with psycopg.connect(superset.writer_dsn, options="-c search_path=clickstream") as connection:
        wanted = sum(figure for (figure,) in connection.execute(query))
    assert sum(row[column] for row in dashboard.rows[title]) == wanted > 0
    assert dashboard.page.title() != "owned"
    assert dashboard.outside == []


def test_the_server_outlives_the_browser(superset: Superset, dashboard: Dashboard) -> None:
    assert dashboard.page.url.startswith(superset.url)
    assert httpx.get(f"{superset.url}/health").text == "OK"
