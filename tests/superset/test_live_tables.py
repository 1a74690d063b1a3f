"""Redis' values as rows: exact, typed, and nothing for a key that is not there."""

import json
from datetime import datetime

import pytest
from clickstream_superset.live_tables import TABLES, rows_of

AS_OF = "2026-06-01T12:00:30.500+00:00"
PUBLISHED = datetime(2026, 6, 1, 12, 0, 30, 500_000)


def rows(table: str, value: object) -> list[dict[str, object]]:
    return list(rows_of(TABLES[table], value, AS_OF))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("nothing", [None, {}, []])
def test_a_missing_key_gives_no_rows(table: str, nothing: object) -> None:
    assert rows(table, nothing) == []


@pytest.mark.parametrize(
    ("table", "value"),
    [
        ("live_active_users", {"5m": "3", "30m": "8"}),
        ("live_pages", [("/", 4.0)]),
        ("live_page_groups", [("Product", 4.0)]),
        ("live_conversion", {"sessions": "1"}),
        ("live_funnel", {"sessions": "1"}),
        ("live_performance", {"batch_ms": "1"}),
        ("live_lag", {"0": "1"}),
        ("live_stages", {"spark": "1.5"}),
        ("live_series", {"2026-06-01T11:59:00Z": "{}"}),
        ("live_anomalies", json.dumps([{"minute": "2026-06-01T11:59:00Z"}])),
    ],
)
def test_every_row_has_exactly_the_declared_columns(table: str, value: object) -> None:
    assert [set(row) for row in rows(table, value)] == [{*TABLES[table].columns, "as_of"}] * len(rows(table, value))


def test_active_users() -> None:
    assert rows("live_active_users", {"5m": "3", "30m": "8"}) == [{"users_5m": 3, "users_30m": 8, "as_of": PUBLISHED}]


def test_the_funnel_has_a_row_a_step_with_its_shares() -> None:
    fields = {"sessions": "80", "views": "40", "carts": "10", "checkouts": "0", "purchases": "0"}
    assert [
        (row["step"], row["step_name"], row["sessions"], row["share_of_previous"], row["share_of_first"])
        for row in rows("live_funnel", fields)
    ] == [
        (1, "Session", 80, 1.0, 1.0),
        (2, "Product viewed", 40, 0.5, 0.5),
        (3, "Added to cart", 10, 0.25, 0.125),
        (4, "Checkout begun", 0, 0.0, 0.0),
        (5, "Purchase", 0, 0.0, 0.0),
    ]


def test_lag_and_stages_have_a_row_each() -> None:
    assert [(row["partition"], row["records"]) for row in rows("live_lag", {"10": "7", "9": "0"})] == [(9, 0), (10, 7)]
    assert [(row["stage"], row["ms"]) for row in rows("live_stages", {"spark": "1.5"})] == [("spark", 1.5)]


def test_minutes_come_in_order_and_the_one_that_still_fills_is_marked() -> None:
    figures = json.dumps({"events": 5, "page_views": 2, "purchases": 1, "revenue": 9.5})
    found = rows("live_series", dict.fromkeys(["2026-06-01T12:00:00Z", "2026-06-01T11:59:00Z"], figures))
    assert [(row["minute"], row["is_complete"], row["revenue"]) for row in found] == [
        (datetime(2026, 6, 1, 11, 59), True, 9.5),
        (datetime(2026, 6, 1, 12, 0), False, 9.5),
    ]


def test_a_time_in_another_zone_becomes_utc() -> None:
    found = list(rows_of(TABLES["live_pages"], [("/", 4.0)], "2026-06-01T14:00:30+02:00"))
    assert found == [{"page_path": "/", "views": 4, "as_of": datetime(2026, 6, 1, 12, 0, 30)}]


def test_what_is_not_the_documented_json_is_an_error() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        rows("live_anomalies", "nonsense")
