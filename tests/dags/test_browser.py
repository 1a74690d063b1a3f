"""Airflow as a person uses it, in a real browser: log in, trigger a DAG by its form, look at the live page."""

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis
from playwright.sync_api import Browser, FrameLocator, Page, expect
from psycopg import sql

from airflow_server import ROOT, airflow
from builders import encoded, event
from clickstream.warehouse.migrations import migrate
from clickstream.warehouse.roles import OWNER, READER, WRITER, create_warehouse
from hostile import TEXTS
from letters import letter, marks, store
from local.airflow import Airflow
from local.browser import chromium, log_in_to_airflow, open_page
from local.postgres import Postgres
from local.redis import Redis
from local.server import free_port, running

pytestmark = pytest.mark.timeout(600)

WAREHOUSE = "airflow_warehouse"
DASHBOARDS = ["live", "sessions", "funnels", "journeys", "acquisition", "trust"]


@dataclass
class Platform:
    """The running parts, and how to take one away and bring it back."""

    api: Airflow
    password: str
    reader: str
    postgres: Postgres
    redis: Redis
    logs: Path
    redis_process: ExitStack

    def stop_redis(self) -> None:
        self.redis_process.close()

    def start_redis(self) -> None:
        self.redis_process.enter_context(running(self.redis, self.logs / "redis.log"))

    def refuse(self, database: str, refused: bool) -> None:
        """Let nobody into a database, and end who is in it; or let them in again."""
        alter = sql.SQL("alter database {} with allow_connections {}")
        with psycopg.connect(self.postgres.admin_dsn(), autocommit=True) as admin:
            admin.execute(alter.format(sql.Identifier(database), sql.Literal(not refused)))
            if refused:
                admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [database])

    def publish(self, events_per_second: float = 51.5) -> None:
        """What the stream's driver would, as of now."""
        now = datetime.now(UTC)
        found = {"minute": now.isoformat(), "metric": "events", "value": 9, "expected": 3, "score": 7}
        with redis.Redis.from_url(self.redis.url()) as client:
            client.hset("live:performance", mapping={"events_per_second": events_per_second, "lag_events": 2})
            client.hset("live:stages", mapping={"decode": 40, "copy": 120, "fold": 75})
            client.hset("live:lag", mapping={"0": 2, "1": 0})
            client.set("live:anomalies", json.dumps([found | {"reason": text} for text in TEXTS.values()]))
            client.set("live:as_of", now.isoformat())


@pytest.fixture(scope="module")
def platform_parts(kafka: str, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Airflow with the checkout's DAGs and plugins, a warehouse, a Redis that may be stopped; no Superset."""
    directory = tmp_path_factory.mktemp("airflow-browser")
    passwords = {role: f"test-{role}" for role in (OWNER, WRITER, READER)}
    create_warehouse(postgres.admin_dsn(), passwords, WAREHOUSE)
    dsn = {role: postgres.dsn(WAREHOUSE, role, passwords[role]) for role in passwords}
    migrate(dsn[OWNER], ROOT / "sql" / "schema")
    with psycopg.connect(dsn[WRITER]) as connection:
        connection.execute("insert into clickstream.stream_lease (name, epoch, holder) values ('stream', 3, 'me')")
    future = [letter(encoded(event(number)), number, reason="future") for number in (1, 2)]
    store(dsn[WRITER], *future, letter(b"{", 3))
    live = Redis(directory / "redis", free_port(), secrets.token_hex(8))
    variables = {
        "CLICKSTREAM_KAFKA_BOOTSTRAP": kafka,
        "CLICKSTREAM_POSTGRES_OWNER": dsn[OWNER],
        "CLICKSTREAM_POSTGRES_WRITER": dsn[WRITER],
        "CLICKSTREAM_POSTGRES_READER": dsn[READER],
        "CLICKSTREAM_REDIS_URL": live.url(),
        "CLICKSTREAM_HOME": str(ROOT),
        "CLICKSTREAM_STATE_DIR": str(directory / "state"),
        "CLICKSTREAM_SUPERSET_URL": f"http://127.0.0.1:{free_port()}",
    }
    with ExitStack() as redis_process, airflow(directory, postgres, variables) as serving:
        platform = Platform(serving.api, serving.password, dsn[READER], postgres, live, directory, redis_process)
        platform.start_redis()
        yield platform


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def page(browser: Browser, platform_parts: Platform) -> Page:
    """Logged in by the form."""
    opened = open_page(browser, 1440, 900)
    log_in_to_airflow(opened, platform_parts.api.url, platform_parts.password)
    expect(opened.get_by_text("Dags", exact=True).first).to_be_visible(timeout=60_000)
    return opened


@pytest.fixture
def live(page: Page, platform_parts: Platform) -> FrameLocator:
    """The live page as the navigation opens it, with figures on it."""
    platform_parts.publish()
    page.goto(platform_parts.api.url)
    page.get_by_role("link", name="Clickstream", exact=True).click()
    page.wait_for_url("**/plugin/clickstream**")
    frame = page.frame_locator("iframe")
    expect(frame.locator("#state")).to_contain_text("every second", timeout=60_000)
    return frame


def tile(live: FrameLocator, name: str) -> Any:
    return live.locator("#flow div").filter(has_text=name).locator("dd")


def part(live: FrameLocator, name: str) -> Any:
    return live.locator("#health li").filter(has=live.locator("b").get_by_text(name, exact=True))


@pytest.mark.parametrize("path", ["/clickstream/", "/clickstream/events", "/clickstream/assets/page.js"])
def test_whoever_is_not_logged_in_is_refused(platform_parts: Platform, path: str) -> None:
    assert httpx.get(platform_parts.api.url + path).status_code == 401


def test_a_run_is_triggered_by_its_form_and_succeeds(page: Page, platform_parts: Platform) -> None:
    page.goto(f"{platform_parts.api.url}/dags/clickstream_replay")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    expect(form.get_by_text("Send nothing, only count")).to_be_visible()
    form.locator("input[name=element_contains]").fill("because of future")
    form.get_by_role("button", name="Trigger", exact=True).click()
    page.wait_for_url("**/runs/manual__*")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=120_000)
    runs = "/api/v2/dags/clickstream_replay/dagRuns"
    [run] = platform_parts.api.call("GET", runs)["dag_runs"]
    assert run["conf"] == {"reason": None, "contains": "because of future", "dry_run": True}
    result = f"{runs}/{run['dag_run_id']}/taskInstances/replay/xcomEntries/return_value"
    assert platform_parts.api.call("GET", result)["value"] == {"sent": 2}
    assert set(marks(platform_parts.reader)) == {1, 2, 3}
    assert set(marks(platform_parts.reader).values()) == {None}, "nothing was sent: the run was dry"


def test_the_page_shows_figures_that_move(live: FrameLocator, platform_parts: Platform) -> None:
    expect(tile(live, "events/s in")).to_have_text("52")
    platform_parts.publish(events_per_second=1234)
    expect(tile(live, "events/s in")).to_have_text("1,234")


def test_hostile_text_is_shown_and_does_nothing(live: FrameLocator, page: Page) -> None:
    expect(live.locator("#anomalies tbody td:last-child")).to_have_text(list(TEXTS.values()))
    assert live.locator("#anomalies tbody").locator("img, script, a").count() == 0
    assert [frame.evaluate("window.owned") for frame in page.frames] == [None] * len(page.frames)


def test_the_page_leads_to_every_dashboard_and_dag(live: FrameLocator) -> None:
    links = live.locator("nav a")
    assert links.all_text_contents() == DASHBOARDS
    addresses = [link.get_attribute("href") for link in links.all()]
    assert [address.rsplit("/superset/dashboard/", 1)[1] for address in addresses] == [
        f"clickstream-{name}/" for name in DASHBOARDS
    ]
    expect(live.get_by_role("link", name="clickstream_replay")).to_have_attribute("href", "../dags/clickstream_replay")


def test_the_health_of_each_part(live: FrameLocator) -> None:
    expect(part(live, "Kafka")).to_contain_text("answers, 1 broker", timeout=30_000)
    expect(part(live, "Superset")).to_contain_text("away: Connection refused", timeout=30_000)
    for name, said in (("Redis", "answers"), ("PostgreSQL", "answers"), ("Airflow scheduler", "healthy")):
        expect(part(live, name)).to_contain_text(said)
    expect(part(live, "Stream")).to_contain_text("epoch 3")


def test_the_page_leads_to_the_spark_ui_of_the_run_that_streams(live: FrameLocator, platform_parts: Platform) -> None:
    expect(part(live, "Stream").get_by_role("link")).to_have_count(0)
    runs = "/api/v2/dags/clickstream_stream/dagRuns"
    run_id = platform_parts.api.call("POST", runs, {"logical_date": None})["dag_run_id"]
    stored = {"key": "_link_SparkUi", "value": "http://127.0.0.1:4040"}
    platform_parts.api.call("POST", f"{runs}/{run_id}/taskInstances/stream/xcomEntries", stored)
    # The DAG is paused and its run waits: no Spark is started for a link.
    with psycopg.connect(platform_parts.postgres.admin_dsn("airflow")) as connection:
        connection.execute("update dag_run set state = 'running' where run_id = %s", [run_id])
    expect(part(live, "Stream").get_by_role("link")).to_have_attribute("href", stored["value"])


def test_redis_away_is_not_taken_for_a_silent_stream(live: FrameLocator, platform_parts: Platform) -> None:
    platform_parts.stop_redis()
    try:
        expect(live.locator("#trouble")).to_contain_text("Redis is away", timeout=30_000)
        expect(part(live, "Live figures")).to_contain_text("unknown: Redis is away")
        expect(live.locator("main")).not_to_contain_text("nobody publishes")
        expect(live.locator(".stale")).to_have_count(4)
        expect(live.locator(".stale .since").first).to_contain_text("Redis is away: figures of")
        expect(tile(live, "events/s in")).to_have_text("52")
    finally:
        platform_parts.start_redis()
    expect(live.locator(".stale")).to_have_count(0, timeout=30_000)
    expect(part(live, "Live figures")).to_contain_text("nobody publishes")
    expect(live.locator("#trouble")).to_be_hidden()


@pytest.mark.parametrize(("database", "name", "sections"), [(WAREHOUSE, "PostgreSQL", 2), ("airflow", "Airflow", 1)])
def test_what_is_old_says_so(
    live: FrameLocator, platform_parts: Platform, database: str, name: str, sections: int
) -> None:
    platform_parts.refuse(database, True)
    try:
        expect(live.locator("#trouble")).to_contain_text(f"{name} is away", timeout=60_000)
        expect(live.locator(".stale")).to_have_count(sections)
        expect(live.locator(".stale .since").first).to_contain_text(f"{name} is away: figures of")
        expect(live.locator("main")).to_contain_text("answers, 1 broker")
    finally:
        platform_parts.refuse(database, False)
    expect(live.locator(".stale")).to_have_count(0, timeout=60_000)


def test_a_page_that_cannot_connect_says_so_and_tries_again(page: Page, platform_parts: Platform) -> None:
    platform_parts.publish()
    page.route("**/clickstream/events", lambda route: route.abort())
    page.goto(f"{platform_parts.api.url}/clickstream/")
    expect(page.locator("#trouble")).to_contain_text("No connection to Airflow", timeout=30_000)
    expect(page.locator(".stale .since").first).to_have_text("No connection to Airflow: nothing is known yet")
    page.unroute("**/clickstream/events")
    expect(page.locator("#trouble")).to_be_hidden(timeout=30_000)
    expect(page.locator(".stale")).to_have_count(0)
