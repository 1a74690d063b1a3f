"""The models on a real PostgreSQL: cases as data, and the same rows however often and in whatever pieces they run."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from clickstream.settings import Settings
from clickstream.warehouse.retention import prune
from sql_warehouse import MODELS, Event, Warehouse, moment

CASES = yaml.safe_load((Path(__file__).with_name("model_cases.yaml")).read_text())
PEOPLE = [name for name in MODELS if not name.startswith("funnel_") and name != "reconciliation"]


@pytest.mark.parametrize("case", CASES, ids=[f"{case['model']}: {case['name']}" for case in CASES])
def test_case(warehouse: Warehouse, case: dict[str, Any]) -> None:
    for number, piece in enumerate(_pieces(case["events"])):
        warehouse.store(map(Event.parse, piece))
        warehouse.build(f"run {number}")
    query = f"select {case['columns']} from clickstream.{case['model']}"

    def shown() -> list[str]:
        return sorted(" | ".join(map(_text, row)) for row in warehouse.rows(query))

    assert shown() == sorted(case["rows"])
    warehouse.build("again", *_interval(warehouse))
    assert shown() == sorted(case["rows"])


@pytest.mark.parametrize("seed", range(4))
def test_pieces_in_any_order_equal_the_whole(warehouse: Warehouse, seed: int) -> None:
    events = _random_events(seed, 250)
    shuffled = random.Random(seed).sample(events, len(events))
    for number, piece in enumerate((shuffled[:90], shuffled[90:95], shuffled[95:230], shuffled[230:])):
        warehouse.store(piece)
        warehouse.build(f"run {number}")
    pieces = _all_rows(warehouse)
    assert all(pieces[name] for name in PEOPLE), {name for name in PEOPLE if not pieces[name]}
    warehouse.execute(*(f"delete from clickstream.{name}" for name in PEOPLE))
    warehouse.build("whole", *_interval(warehouse))
    assert _all_rows(warehouse) == pieces


def test_slices_that_commit_during_a_build_are_left_to_the_next_run(warehouse: Warehouse) -> None:
    warehouse.store([Event.parse("a pv 05 10:00:00")])
    warehouse.run("scope/claim.sql", "first")
    warehouse.store([Event.parse("b pv 05 10:30:00")])
    warehouse.run("traffic_hourly/query.sql", "first")
    warehouse.store([Event.parse("c pv 05 10:40:00")])
    warehouse.run("traffic_hourly/checks.sql", "first")
    [(passed, summary)] = warehouse.run("scope/gate.sql", "first")
    assert passed, summary
    warehouse.run("scope/release.sql", "first")
    assert warehouse.rows("select sessions from clickstream.traffic_hourly") == [(2,)]
    warehouse.build("second")
    assert warehouse.rows("select sessions from clickstream.traffic_hourly") == [(3,)]


def test_a_run_takes_over_what_a_failed_one_left(warehouse: Warehouse) -> None:
    warehouse.store([Event.parse("a pv 05 10:00:00")])
    warehouse.run("scope/claim.sql", "fails")
    warehouse.build("next")
    assert warehouse.rows("select sessions from clickstream.traffic_daily") == [(1,)]
    for left in ("changed_hours", "model_hours", "model_changes", "model_users", "retention_weeks"):
        assert warehouse.rows(f"select count(*) from clickstream.{left}") == [(0,)], left


def test_a_release_leaves_a_later_run_alone(warehouse: Warehouse) -> None:
    warehouse.store([Event.parse("a pv 05 10:00:00")])
    warehouse.run("scope/claim.sql", "left behind")
    warehouse.run("scope/claim.sql", "next")
    warehouse.run("scope/release.sql", "left behind")
    assert warehouse.rows("select hour, run_id from clickstream.model_hours") == [(moment("05", "10:00:00"), "next")]


def test_what_retention_took_away_stays_counted(warehouse: Warehouse) -> None:
    """Events of the 5th are gone; a late one of a later day and a whole rebuild leave what they had been counted as."""
    load = "page=/ page_load_ms=100"
    warehouse.store(
        Event.parse(text)
        for day in ("05", "06", "07")
        for text in (
            f"a pv {day} 10:00:00 desktop {load}",
            f"a v {day} 10:01:00 desktop product_id=p",
            f"a c {day} 10:02:00 desktop product_id=p",
            f"b pv {day} 23:50:00 desktop {load}",
            f"b pv {day} 23:59:00 desktop {load}",
        )
    )
    interval = _interval(warehouse)
    warehouse.build("first", *interval)
    tables = ("page_loads_hourly", "products_hourly", "funnel_users", "funnel_steps", "traffic_hourly", "pages_daily")
    counted = {name: sorted(warehouse.rows(f"select * from clickstream.{name}"), key=repr) for name in tables}
    kept = Settings(postgres_writer=SecretStr(warehouse.dsn), retention_days=2)
    assert prune(kept, False, date(2026, 1, 8)) == {
        "check_results": 0, "event_ids": 5, "old_events": 0, "partitions": 1,
    }  # fmt: skip
    warehouse.build("again", *interval)
    assert {name: sorted(warehouse.rows(f"select * from clickstream.{name}"), key=repr) for name in tables} == counted
    warehouse.store([Event.parse(f"b pv 06 00:10:00 desktop {load} late=600")])  # joins the session of the 5th
    warehouse.build("late")
    funnel = "select day, user_id, reached from clickstream.funnel_users where funnel = 'purchase' order by day"
    assert warehouse.rows(funnel) == [(date(2026, 1, day), "a", 2) for day in (5, 6, 7)]
    assert warehouse.rows("select sum(loads) from clickstream.page_loads_hourly") == [(10,)]


def test_pages_are_called_by_the_rules_of_their_last_view(warehouse: Warehouse) -> None:
    """As after a change of the groups and a backfill of the day of the last views."""
    warehouse.store(map(Event.parse, ["a pv 05 10:00:00 desktop page=/cart", "a pv 06 10:00:00 desktop page=/cart"]))
    warehouse.build("first")
    warehouse.execute(
        "update clickstream.page_minute set page_group = 'Basket' where minute >= '2026-01-06'",
        "insert into clickstream.changed_hours values ('2026-01-06 10:00+00')",
    )
    warehouse.build("second")
    assert warehouse.rows("select page_group, label from clickstream.pages") == [("Basket", "Basket")]
    groups = "select day, page_group from clickstream.pages_daily order by day"
    assert warehouse.rows(groups) == [(date(2026, 1, day), "Basket") for day in (5, 6)]


def test_an_interval_claims_the_hours_that_it_overlaps(warehouse: Warehouse) -> None:
    for start, end in (("10:55:00", "11:05:00"), ("12:00:00", "13:00:00"), ("14:00:00", "14:00:00")):
        warehouse.run("scope/claim.sql", "run", moment("05", start), moment("05", end))
    hours = [hour for (hour,) in warehouse.rows("select hour from clickstream.model_hours order by hour")]
    assert hours == [moment("05", f"{hour}:00:00") for hour in (10, 11, 12)]


def _pieces(lines: list[str]) -> list[list[str]]:
    pieces: list[list[str]] = [[]]
    for line in lines:
        if line == "---":
            pieces.append([])
        else:
            pieces[-1].append(line)
    return pieces


def _interval(warehouse: Warehouse) -> tuple[datetime, datetime]:
    """All hours in which something happened or arrived."""
    [(start, end)] = warehouse.rows("select min(event_time), max(kafka_time) from clickstream.events")
    return start.replace(minute=0, second=0), end.replace(minute=0, second=0) + timedelta(hours=1)


def _text(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case datetime():
            return f"{value.astimezone(UTC):%m-%d %H:%M}"
        case date():
            return f"{value:%m-%d}"
        case float() | Decimal():
            return f"{value:.4f}".rstrip("0").rstrip(".")
        case _:
            return str(value)


def _all_rows(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    return {name: sorted(warehouse.rows(f"select * from clickstream.{name}"), key=repr) for name in PEOPLE}


def _random_events(seed: int, events: int) -> list[Event]:
    """Events of few users over five weeks that meet in sessions, with all that the models read; all different."""
    choice = random.Random(seed)
    drawn = {}
    for _ in range(events):
        kind = choice.choices(["page_view", "view_item", "add_to_cart", "purchase"], [8, 3, 2, 1])[0]
        shop = {"product_id": choice.choice("pqr"), "category": choice.choice("xy"), "price": choice.choice([1, 2.5])}
        event = Event(
            user=choice.choice("abcdef"),
            type=kind,
            time=moment("01", "00:00:00")
            + timedelta(days=choice.randrange(35), hours=choice.choice([0, 10, 23]))
            + timedelta(
                days=choice.randrange(35), hours=choice.choice([0, 10, 23]), minutes=choice.randrange(0, 60, 5)
            ),
            bot=choice.choice([None] * 6 + ["bot"]),
            page=choice.choice(["/", "/cart", "/one", "/two", "/products/p"]),
            referrer=choice.choice([None, None, "https://www.google.com/", "https://t.co/x"]),
            late=choice.choice([0, 1, 600, 100_000]),
            properties={"page_load_ms": choice.choice([90, 150, 800])} if kind == "page_view" else shop,
        )
        drawn[repr(event)] = event
    return sorted(drawn.values(), key=repr)
