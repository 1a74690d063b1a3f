"""Hostile texts in every field that visitors fill: each dashboard shows them as text, and nothing of them runs."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import redis
from playwright.sync_api import expect

from clickstream.enrich.page import read_page
from clickstream.live import Live, Performance
from hostile import TEXTS, visits
from letters import letter, store
from local.redis import Redis
from sql_warehouse import opened
from superset_browser import Dashboard, browsing, charts
from superset_server import Superset

PATHS = {read_page(f"https://shop.example/{text}").path for text in TEXTS.values()}
WORDS = set(TEXTS.values())
LOWER = {text.lower() for text in WORDS}
# Where each text must have come: dashboard, chart, column, texts.
SHOWN = [
    ("clickstream-live", "Latest sessions", "visitor", WORDS),
    ("clickstream-live", "Latest sessions", "entry_page", PATHS),
    ("clickstream-live", "Most viewed pages", "page_path", PATHS),
    ("clickstream-live", "Anomalies of the last 24 hours", "reason", WORDS),
    ("clickstream-sessions", "Entry pages", "entry_page", PATHS),
    ("clickstream-sessions", "Exit pages", "exit_page", PATHS),
    ("clickstream-funnels", "Who they are", "user_id", WORDS),
    ("clickstream-journeys", "Every link", "source", PATHS),
    ("clickstream-acquisition", "Campaigns", "campaign", WORDS),
    ("clickstream-acquisition", "Where sessions come from", "source", LOWER),
    ("clickstream-acquisition", "Where sessions come from", "medium", LOWER),
    ("clickstream-acquisition", "Pages", "page_path", PATHS),
    ("clickstream-acquisition", "Products", "product_id", WORDS),
    ("clickstream-acquisition", "Products", "category", WORDS),
    ("clickstream-trust", "Anomalies", "reason", WORDS),
]
RUNS = "[src=x], [onmouseover], [onerror], a[href^='javascript:']"


@pytest.fixture(scope="module")
def dashboard(superset: Superset, redis_server: Redis, migrated: str) -> Iterator[Dashboard]:
    """A browser over a warehouse of hostile visits alone, and live figures of them."""
    now = datetime.now(UTC)
    with (
        emptied(superset.writer_dsn, migrated),
        opened(superset.writer_dsn) as warehouse,
        psycopg.connect(superset.writer_dsn, autocommit=True) as connection,
        redis.Redis.from_url(redis_server.url()) as client,
        browsing(superset, height=3_500) as browser,
    ):
        times, values = zip(*visits(now), strict=True)
        warehouse.apply(list(values), [time + timedelta(seconds=1) for time in times])
        warehouse.build()
        for number, text in enumerate(TEXTS.values()):
            store(superset.writer_dsn, letter(text.encode(), number, "contract", kafka_time=now, detail=text))
            connection.execute(
                "insert into clickstream.anomalies values ('events', %s, 9, 3, 1, 5, 2, %s)",
                [now - timedelta(minutes=number + 2), text],
            )
        client.flushall()
        [(epoch,)] = connection.execute("select epoch from clickstream.stream_lease").fetchall()
        Live(connection, client, epoch).publish(Performance(0, 0, {}, 0, {}, (0, 0, 0)), datetime.now(UTC))
        for key in client.keys("live:*"):
            client.persist(key)  # however long the browser takes
        yield browser
        client.flushall()


@contextmanager
def emptied(dsn: str, migrated: str) -> Iterator[None]:
    """No rows before and after in the tables that a migration leaves empty."""
    with psycopg.connect(migrated) as fresh:
        names = [name for (name,) in fresh.execute("select tablename from pg_tables where schemaname = 'clickstream'")]
        empty = [name for name in names if not fresh.execute(f"select from clickstream.{name} limit 1").fetchall()]
    truncate = "truncate " + ", ".join(f"clickstream.{name}" for name in empty)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(truncate)
        yield
        connection.execute(truncate)


@pytest.mark.parametrize("slug", charts())
def test_nothing_runs_and_every_text_is_there(dashboard: Dashboard, slug: str) -> None:
    dialogs: list[str] = []
    dashboard.page.once("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    dashboard.open(slug, charts()[slug])
    assert dashboard.failures == []
    for _, title, column, texts in (each for each in SHOWN if each[0] == slug):
        assert texts <= {row[column] for row in dashboard.rows[title]}, f"{title}: {column}"
    point_everywhere(dashboard)
    assert dialogs == []
    assert dashboard.page.evaluate("window.owned") is None
    assert dashboard.page.title() != "owned"
    assert dashboard.page.locator(".dashboard").first.locator(RUNS).count() == 0
    assert dashboard.outside == []


def point_everywhere(dashboard: Dashboard) -> None:
    """Move over every drawing, so that its tooltips come."""
    canvases = dashboard.page.locator(".dashboard-component-chart-holder canvas")
    for box in canvases.evaluate_all("all => all.map(each => each.getBoundingClientRect().toJSON())"):
        for across in (0.1, 0.3, 0.5, 0.7, 0.9):
            for down in (0.3, 0.5, 0.7):
                dashboard.page.mouse.move(box["x"] + box["width"] * across, box["y"] + box["height"] * down)


def test_a_person_reads_them(dashboard: Dashboard) -> None:
    dashboard.open("clickstream-funnels", {"Who they are"})
    for name, text in TEXTS.items():
        if name not in ("script", "handler"):  # Superset's tables show what looks like HTML without its tags
            expect(dashboard.card("Who they are").get_by_text(text, exact=True).first).to_be_attached()


@pytest.mark.parametrize("title", ["Campaigns", "Products"])
def test_an_export_holds_no_formula(dashboard: Dashboard, superset: Superset, title: str) -> None:
    dashboard.open("clickstream-acquisition", {title})

    def export(kind: str) -> bytes:
        asked: dict[str, Any] = {**dashboard.asked[title], "result_format": kind}
        answer = dashboard.page.request.post(f"{superset.url}/api/v1/chart/data", data=asked)
        assert answer.ok, answer.text()
        return answer.body()

    cells = [
        cell for row in csv.reader(io.StringIO(export("csv").decode("utf-8-sig")), escapechar="\\") for cell in row
    ]
    assert any(TEXTS["formula"] in cell for cell in cells)
    assert [cell for cell in cells if re.match(r"[=+@\t\r]|-(?![\d.]+$)", cell)] == []
    with zipfile.ZipFile(io.BytesIO(export("xlsx"))) as book:
        sheets = [book.read(name) for name in book.namelist() if name.startswith("xl/worksheets/")]
    assert sheets
    assert [sheet for sheet in sheets if b"<f>" in sheet] == []
