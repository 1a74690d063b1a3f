"""The live page: refused without its guard; a part that is away is named and the rest goes on."""

import json
from typing import Any

import psycopg
import pytest
import redis
from fastapi import Depends, HTTPException
from fastapi.testclient import TestClient

from clickstream.live_page import application
from clickstream.live_page.services import Services
from clickstream.live_page.snapshot import Snapshots
from clickstream.settings import Settings
from waiting import wait_until


def client(further: dict[str, Any] | None = None) -> TestClient:
    return TestClient(application([], further or {}))


@pytest.mark.parametrize("path", ["/", "/events", "/assets/page.js"])
def test_every_route_is_guarded(path: str) -> None:
    def refuse() -> None:
        raise HTTPException(401, "log in")

    assert TestClient(application([Depends(refuse)], {})).get(path).status_code == 401


def test_a_stream_of_figures_ends_so_that_who_looks_is_checked_again(platform: Settings) -> None:
    page = TestClient(application([], {"airflow": dict}, life_seconds=1.5))
    stream = page.get("/events").text.split("\n\n")
    assert stream[0] == "retry: 1000"
    snapshots = [json.loads(part.removeprefix("data: ")) for part in stream[1:] if part]
    assert 1 <= len(snapshots) <= 3
    assert snapshots[0]["superset_url"] == platform.superset_url


def test_services_are_asked_aside_and_say_how_they_are(platform: Settings) -> None:
    away = platform.model_copy(update={"superset_internal_url": "http://127.0.0.1:1"})
    services = Services(away)
    assert services.read() == [], "nobody waits for the first answer"
    found = wait_until(lambda: read if len(read := services.read()) == 2 else None, "both have answered")
    assert found == [
        {"name": "Kafka", "well": True, "said": "answers, 1 broker"},
        {"name": "Superset", "well": False, "said": "away: Connection refused"},
    ]


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = client().get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "http" not in page.text
    for name, kind in (("page.js", "javascript"), ("page.css", "css")):
        assert f"assets/{name}" in page.text
        assert kind in client().get(f"/assets/{name}").headers["content-type"]
    assert client().get("/assets/snapshot.py").status_code == 422


def test_a_snapshot_of_the_real_stores(platform: Settings) -> None:
    live = redis.Redis.from_url(platform.redis_url.get_secret_value())
    live.hset("live:performance", mapping={"lag_events": 7})
    live.hset("live:series", mapping={"2026-06-01T12:01:00Z": '{"events": 2}', "2026-06-01T12:00:00Z": '{"events": 1}'})
    live.set("live:anomalies", json.dumps([{"metric": "events", "reason": "<b>odd</b>"}]))
    with psycopg.connect(platform.postgres_owner.get_secret_value()) as owner:
        owner.execute("insert into clickstream.stream_lease (name, epoch, holder) values ('stream', 3, 'me')")
        owner.execute(
            "insert into clickstream.check_results (check_name, interval_end, severity, passed, observed, expected)"
            " values ('a', now(), 'fail', false, '1', '2'), ('b', now(), 'warn', true, '1', '1')"
        )
    found = Snapshots(platform, {"airflow": lambda: {"runs": []}}).read()
    assert found["live"]["performance"] == {"lag_events": "7"}
    assert [minute["events"] for minute in found["live"]["series"]] == [1, 2]
    assert found["live"]["anomalies"][0]["reason"] == "<b>odd</b>"
    state = found["warehouse"]["state"]
    assert (state["epoch"], state["failed"], state["warned"]) == (3, ["a"], [])
    assert found["airflow"] == {"runs": []}


def test_what_is_away_is_named_and_the_rest_goes_on(platform: Settings) -> None:
    away = platform.model_copy(update={"redis_url": type(platform.redis_url)("redis://127.0.0.1:1/0")})
    found = Snapshots(away, {"airflow": lambda: 1 / 0}).read()
    assert found["live"]["error"].startswith("ConnectionError")
    assert found["airflow"] == {"error": "ZeroDivisionError: division by zero"}
    assert found["warehouse"]["slices"] == []


def test_a_password_is_never_shown(platform: Settings) -> None:
    dsn = platform.postgres_reader.get_secret_value()
    secret = dict(part.split("=", 1) for part in dsn.split() if "=" in part)["password"]
    away = platform.model_copy(update={"postgres_reader": type(platform.postgres_reader)(dsn + " port=1")})
    found = Snapshots(away, {}).read()
    assert found["warehouse"]["error"]
    assert secret not in json.dumps(found, default=str)
