"""Filters as people set them in a browser: the figures follow, and where a filter does not hold nothing is cut off."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from superset_browser import Dashboard, browsing
from superset_seed import HOSTILE_PAGE, seed_models, seed_warehouse
from superset_server import Api, Superset


@pytest.fixture(scope="module")
def dashboard(superset: Superset) -> Iterator[Dashboard]:
    """A browser over the seeded tables."""
    seed_warehouse(superset.writer_dsn)
    seed_models(superset.writer_dsn)
    with browsing(superset, height=3500) as opened:
        yield opened


def test_journeys_are_shown_as_pictures_and_as_paths(dashboard: Dashboard) -> None:
    flow, paths, ends = "How sessions begin: the first five steps", "Top paths", "How sessions end: the last five steps"
    dashboard.open("clickstream-journeys", {flow, paths, ends, "Which page leads to which"})
    assert {row["source_node"] for row in dashboard.rows[flow]} == {"1 Home", f"2 {HOSTILE_PAGE}"}
    assert dashboard.rows["Which page leads to which"] == [
        {"source": "Home", "target": HOSTILE_PAGE, "sessions_sum": 3}
    ]
    assert [(row["path"], row["sessions_sum"], row["share"]) for row in dashboard.rows[paths]] == [
        ("Home → Cart", 6, 0.6), (f"{HOSTILE_PAGE} → …", 4, 0.4)
    ]  # fmt: skip
    assert dashboard.page.title() != "owned"


def test_the_journeys_shown_are_those_that_begin_at_the_page_that_is_chosen(dashboard: Dashboard) -> None:
    flow, links = "How sessions begin: the first five steps", "Every link"
    dashboard.open("clickstream-journeys", {flow, links})
    dashboard.choose("begins", HOSTILE_PAGE, {flow, links})
    assert [(row["source_node"], row["target_node"]) for row in dashboard.rows[flow]] == [
        (f"1 {HOSTILE_PAGE}", "2 (exit)")
    ]  # fmt: skip
    expect(dashboard.page.get_by_text(HOSTILE_PAGE).first).to_be_visible()
    assert dashboard.page.title() != "owned"


@pytest.mark.usefixtures("dashboard")
@pytest.mark.parametrize(
    ("dataset", "column", "page", "links"),
    [
        ("journeys_forward", "begins_at", HOSTILE_PAGE, [(f"1 {HOSTILE_PAGE}", "2 (exit)", 4)]),
        ("journeys_backward", "ends_at", "Home", [("-1 (entrance)", "0 Home", 5)]),
        ("journeys_forward", "begins_at", "100%') or true --", []),
    ],
)
def test_a_chosen_page_moves_the_journeys_and_is_only_a_value(
    api: Api, dataset: str, column: str, page: str, links: list[tuple[str, str, int]]
) -> None:
    last_week = {"col": "day", "op": "TEMPORAL_RANGE", "val": "Last week"}
    query = {
        "columns": ["source_node", "target_node"],
        "metrics": ["sessions_sum"],
        "filters": [last_week, {"col": column, "op": "IN", "val": [page]}],
    }
    source = {"id": api.named("dataset", "table_name")[dataset], "type": "table"}
    answer = api.client.post("/api/v1/chart/data", json={"datasource": source, "queries": [query]})
    assert answer.status_code == 200, answer.text
    rows = answer.json()["result"][0]["data"]
    assert [(row["source_node"], row["target_node"], row["sessions_sum"]) for row in rows] == links


def test_every_cohort_shows_although_the_other_charts_look_at_a_week(dashboard: Dashboard) -> None:
    dashboard.open("clickstream-acquisition", {"Who comes again", "Pages"})
    monday = datetime.now(UTC).date() - timedelta(days=datetime.now(UTC).weekday())
    assert {row["cohort"] for row in dashboard.rows["Who comes again"]} == {
        str(monday), str(monday - timedelta(days=7))
    }  # fmt: skip


def test_the_list_of_a_funnel_follows_the_step_that_is_clicked(dashboard: Dashboard) -> None:
    steps, people, rates = "Visitors by step", "Who they are", "Rates of the chosen time"
    dashboard.open("clickstream-funnels", {steps, people, rates, "By breakdown"})
    assert {(row["user_id"], row["step_label"]) for row in dashboard.rows[people]} == {
        *(("ann", f"{step}. Step {step}") for step in range(1, 5)), (HOSTILE_PAGE, "1. Step 1")
    }  # fmt: skip
    assert [(row["people"], row["overall"], row["of_previous"]) for row in dashboard.rows[rates]] == [
        (2, 1, None), (1, 0.5, 0.5), (1, 0.5, 1), (1, 0.5, 1)
    ]  # fmt: skip
    dashboard.click(steps, 0.5, 0.15, {people})
    assert {(row["user_id"], row["step_label"]) for row in dashboard.rows[people]} == {
        ("ann", "1. Step 1"), (HOSTILE_PAGE, "1. Step 1")
    }  # fmt: skip


def test_times_to_convert_stand_in_their_order(dashboard: Dashboard) -> None:
    dashboard.open("clickstream-funnels", {"Time to convert"})
    assert [row["class"] for row in dashboard.rows["Time to convert"]] == ["1–5 min", "10–15 min", "2–4 h", "1–2 days"]


def test_the_latest_backfill_tells_whether_the_stream_equals_a_recompute(dashboard: Dashboard) -> None:
    dashboard.open("clickstream-trust", {"Stream against recompute", "Backfills", "What backfills replaced"})
    expect(dashboard.card("Stream against recompute").get_by_text("2", exact=True)).to_be_visible()
    assert [row["differing"] for row in dashboard.rows["Backfills"]] == [2, 1]
    assert [row["table_name"] for row in dashboard.rows["What backfills replaced"]] == ["sessions"]


def test_a_device_moves_the_sessions_of_the_live_dashboard(dashboard: Dashboard) -> None:
    dashboard.open("clickstream-live", {"Latest sessions"})
    dashboard.choose("device", "desktop", {"Latest sessions"})
    assert [row["visitor"] for row in dashboard.rows["Latest sessions"]] == ["ann"]


def test_sessions_tell_new_visitors_from_those_who_return(dashboard: Dashboard) -> None:
    by_hour = "Sessions by hour"
    dashboard.open("clickstream-sessions", {"New and returning visitors", "Bounced sessions", by_hour})
    assert {row["started_day"] % 86_400_000 for row in dashboard.rows["New and returning visitors"]} == {0}
    assert {row["started_hour"] % 3_600_000 for row in dashboard.rows[by_hour]} == {0}
    assert sum(row["people"] for row in dashboard.rows[by_hour]) == 4
    assert sum(row["new"] for row in dashboard.rows["New and returning visitors"]) == 4  # of one day, or of two
    assert dashboard.rows["Bounced sessions"] == [{"bounce_rate": 0}]
