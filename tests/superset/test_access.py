"""What a user of Superset may not do: write, read without login, load from or talk to another host."""

import html
import re

import httpx
import psycopg
import pytest

from superset_server import Api, Superset

WAREHOUSE = "Clickstream warehouse"


def test_sql_lab_reads_the_warehouse_in_utc(api: Api) -> None:
    sql = (
        "select count(*) as letters, '2026-06-01 14:00:00+02'::timestamptz::text as noon from clickstream.dead_letters"
        " where topic = 'none of this name'"
    )
    answer = api.sql(WAREHOUSE, sql)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"] == [{"letters": 0, "noon": "2026-06-01 12:00:00+00"}]


@pytest.mark.parametrize(
    "sql",
    [
        "insert into clickstream.funnel_steps values ('x', '2026-01-01', 'd', 'v', 1, 's', 1, null, 1)",
        "delete from clickstream.sessions",
        "create table clickstream.mine (a int)",
        "with gone as (delete from clickstream.sessions returning 1) select * from gone",
        "select * from clickstream.sessions for update",
    ],
)
def test_sql_lab_cannot_write(api: Api, sql: str) -> None:
    answer = api.sql(WAREHOUSE, sql)
    assert answer.status_code >= 400, answer.text


def test_the_role_itself_cannot_write_whatever_superset_lets_through(superset: Superset) -> None:
    dsn = superset.variables["SUPERSET_READER_URI"].replace("+psycopg2", "")
    with psycopg.connect(dsn) as connection:
        connection.execute("set default_transaction_read_only = off")
        connection.commit()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from clickstream.sessions")


def test_nothing_is_shown_without_login(superset: Superset) -> None:
    assert httpx.post(f"{superset.url}/api/v1/chart/data", json={}).status_code == 401
    page = httpx.get(f"{superset.url}/superset/dashboard/clickstream-live/")
    assert page.status_code == 302
    assert page.headers["location"].startswith("/login/")


def test_a_logged_in_browser_cannot_be_made_to_post_by_another_site(superset: Superset) -> None:
    with httpx.Client(base_url=superset.url, timeout=60) as browser:
        token = html.unescape(re.search(r'csrf_token[^>]*value="([^"]+)"', browser.get("/login/").text)[1])
        form = {"username": "admin", "password": superset.password, "csrf_token": token}
        browser.post("/login/", data=form)
        assert browser.get("/api/v1/me/").json()["result"]["username"] == "admin"
        answer = browser.post("/api/v1/sqllab/execute/", json={"database_id": 1, "sql": "select 1"})
        assert answer.status_code == 400
        assert "CSRF" in answer.text


def test_pages_may_load_from_this_host_only(superset: Superset) -> None:
    headers = httpx.get(f"{superset.url}/login/").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "http" not in headers["content-security-policy"]
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
