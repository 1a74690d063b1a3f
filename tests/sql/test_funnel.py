"""The purchase funnel as clickstream_models builds it: in any pieces, for what changed, and its checks."""

import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest

from clickstream.funnels.compile import parameters
from clickstream.funnels.config import Funnel, load_funnels
from funnel_matcher import DAY, Mark, Rules, results
from sql_warehouse import Event, Warehouse, moment

STEPS = ["view_item", "add_to_cart", "begin_checkout", "purchase"]
FUNNELS = ("purchase", "search_to_purchase", "campaign_to_sign_up", "checkout")
QUERIES = ("funnel_users/query.sql", "funnel_steps/query.sql", "funnel_times/query.sql")
CHECKS = ("funnel_users/checks.sql", "funnel_steps/checks.sql", "funnel_times/checks.sql")
ALL = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 28, tzinfo=UTC))


def build(warehouse: Warehouse, run_id: str = "run", funnels: Iterable[str] = ("purchase",)) -> None:
    """A run of the funnels alone, with their checks; raises AssertionError where the gate would stop it."""
    warehouse.run("scope/claim.sql", run_id)
    run(warehouse, run_id, (*QUERIES, *CHECKS), funnels)
    [(passed, summary)] = warehouse.run("scope/gate.sql", run_id)
    assert passed, summary
    warehouse.run("scope/release.sql", run_id)


def run(warehouse: Warehouse, run_id: str, paths: Iterable[str], funnels: Iterable[str] = ("purchase",)) -> None:
    for name in funnels:
        warehouse.parameters = parameters(name, load_funnels()[name])
        for path in paths:
            warehouse.run(path, run_id)


def store(warehouse: Warehouse, *events: str) -> None:
    warehouse.store(map(Event.parse, events))


def step_lines(warehouse: Warehouse, dimension: str = "device") -> list[str]:
    return [
        f"{day:%d} {value} {' '.join(map(str, users))}"
        for day, value, users in warehouse.rows(
            "select day, value, array_agg(users order by step) from clickstream.funnel_steps"
            f" where breakdown in ('(all)', '{dimension}')"
            " group by day, breakdown, value order by day, breakdown, value"
        )
    ]


def test_counts_shares_and_times(warehouse: Warehouse) -> None:
    store(warehouse, "a v 05 10:00:00", "a c 05 10:01:00", "b v 05 10:00:00", "b c 05 10:03:00", "c v 05 10:00:00",
          "d v 05 10:00:00")  # fmt: skip
    build(warehouse)
    assert warehouse.rows(
        "select step, step_name, users, share_of_previous, share_of_first, previous_p25_seconds,"
        " previous_median_seconds, previous_p75_seconds, previous_p90_seconds, first_median_seconds"
        " from clickstream.funnel_steps where breakdown = '(all)' order by step"
    ) == [
        (1, "view_item", 4, None, 1.0, None, None, None, None, None),
        (2, "add_to_cart", 2, 0.5, 0.5, 90.0, 120.0, 150.0, pytest.approx(168.0), 120.0),
        (3, "begin_checkout", 0, 0.0, 0.0, None, None, None, None, None),
        (4, "purchase", 0, None, 0.0, None, None, None, None, None),
    ]


def test_times_from_the_first_and_their_histogram(warehouse: Warehouse) -> None:
    for user, seconds in (("a", 59), ("b", 60), ("c", 119), ("d", 120)):
        end = moment("05", "10:00:00") + timedelta(seconds=seconds)
        store(warehouse, *(f"{user} {step} 05 10:00:00" for step in "vcb"), f"{user} p 05 {end:%H:%M:%S}")
    build(warehouse)
    assert warehouse.rows("select at_least::text, below::text, users from clickstream.funnel_times order by 1") == [
        ("00:00:30", "00:01:00", 1), ("00:01:00", "00:02:00", 2), ("00:02:00", "00:05:00", 1),
    ]  # fmt: skip
    query = (
        "select first_median_seconds, previous_median_seconds from clickstream.funnel_steps"
        " where step = 4 and breakdown = '(all)'"
    )
    assert warehouse.rows(query) == [(89.5, 89.5)]


def test_a_late_event_changes_the_day_that_it_reaches(warehouse: Warehouse) -> None:
    store(warehouse, "a v 05 10:00:00", "b v 06 10:00:00")
    build(warehouse, "first")
    store(warehouse, "a c 08 10:00:00", "a v 04 23:00:00")
    build(warehouse, "second")
    assert [(row[1], row[2], row[4], row[5]) for row in warehouse.funnel_users()] == [
        (date(2026, 1, 4), "a", moment("04", "23:00:00"), 2),
        (date(2026, 1, 5), "a", moment("05", "10:00:00"), 2),
        (date(2026, 1, 6), "b", moment("06", "10:00:00"), 1),
    ]


def test_an_entry_moves_when_an_earlier_one_of_the_day_arrives(warehouse: Warehouse) -> None:
    store(warehouse, "a v 05 10:00:00 desktop")
    build(warehouse, "first")
    store(warehouse, "a v 05 09:00:00 mobile")
    build(warehouse, "second")
    assert step_lines(warehouse) == ["05 (all) 1 0 0 0", "05 mobile 1 0 0 0"]


def test_a_session_that_becomes_another_takes_its_entries_along(warehouse: Warehouse) -> None:
    """Two sessions around midnight, joined by a late event that no funnel counts."""
    store(warehouse, "a search 05 23:40:00", "a v 05 23:41:00", "a search 06 00:20:00", "a v 06 00:21:00")
    build(warehouse, "first", ["search_to_purchase"])
    assert len({row[2] for row in warehouse.funnel_users()}) == 2
    store(warehouse, "a page_view 06 00:00:00")
    build(warehouse, "second", ["search_to_purchase"])
    assert [(row[1], row[5]) for row in warehouse.funnel_users()] == [(date(2026, 1, 5), 2), (date(2026, 1, 6), 2)]
    assert len({row[2] for row in warehouse.funnel_users()}) == 1


@pytest.mark.parametrize("flag", ["bot = 'rate'", "quarantined = true"])
def test_what_no_person_did_is_left_out(warehouse: Warehouse, flag: str) -> None:
    store(
        warehouse,
        "a search 05 10:00:00",
        "a v 05 10:00:01",
        "a v 05 12:00:00",
        "b search 05 10:00:00",
        "b v 05 10:00:01",
    )
    warehouse.execute(
        f"update clickstream.sessions set {flag} where user_id = 'a' and started_at < '2026-01-05 11:00+00'"
    )
    build(warehouse, funnels=["purchase", "search_to_purchase"])
    people = [(row[0], row[3], row[4]) for row in sorted(warehouse.funnel_users())]
    assert people == [
        ("purchase", "a", moment("05", "12:00:00")),
        ("purchase", "b", moment("05", "10:00:01")),
        ("search_to_purchase", "b", moment("05", "10:00:00")),
    ]


def test_a_run_without_changes_leaves_every_row_alone(warehouse: Warehouse) -> None:
    warehouse.store(random_events(seed=1, events=200))
    build(warehouse, "first", FUNNELS)
    versions = "select xmin::text, funnel, day, scope_id from clickstream.funnel_users order by 2, 3, 4"
    before, users, steps = warehouse.rows(versions), warehouse.funnel_users(), warehouse.funnel_steps()
    # The interval of this run holds every event: all is claimed and built again.
    warehouse.run("scope/claim.sql", "second", *ALL)
    run(warehouse, "second", QUERIES, FUNNELS)
    assert warehouse.funnel_users() == users
    assert warehouse.funnel_steps() == steps
    assert warehouse.rows(versions) == before


@pytest.mark.parametrize("seed", range(3))
def test_pieces_in_any_order_equal_the_whole(warehouse: Warehouse, seed: int) -> None:
    events = random_events(seed, events=150)
    shuffled = random.Random(seed).sample(events, len(events))
    for number, piece in enumerate((shuffled[:40], shuffled[40:45], shuffled[45:])):
        warehouse.store(piece)
        build(warehouse, f"run {number}", FUNNELS)
    tables = ("funnel_users", "funnel_steps", "funnel_times")
    pieces = [sorted(warehouse.rows(f"select t::text from clickstream.{table} as t")) for table in tables]
    assert {row[0] for row in warehouse.funnel_users()} == set(FUNNELS)
    warehouse.execute(*(f"delete from clickstream.{table}" for table in tables))
    warehouse.run("scope/claim.sql", "whole", *ALL)
    run(warehouse, "whole", QUERIES, FUNNELS)
    assert [sorted(warehouse.rows(f"select t::text from clickstream.{table} as t")) for table in tables] == pieces
    purchase = {(row[1], row[3], row[4], row[5]) for row in warehouse.funnel_users() if row[0] == "purchase"}
    assert purchase == by_definition(events)


def test_changes_that_commit_during_a_build_are_left_to_the_next_run(warehouse: Warehouse) -> None:
    store(warehouse, "a v 05 10:00:00")
    warehouse.run("scope/claim.sql", "first")
    store(warehouse, "b v 05 10:00:00")
    run(warehouse, "first", QUERIES)
    warehouse.run("scope/release.sql", "first")
    assert step_lines(warehouse) == ["05 (all) 1 0 0 0", "05 desktop 1 0 0 0"]
    build(warehouse, "second")
    assert step_lines(warehouse) == ["05 (all) 2 0 0 0", "05 desktop 2 0 0 0"]


def test_a_run_takes_over_what_a_failed_one_left(warehouse: Warehouse) -> None:
    store(warehouse, "a v 05 10:00:00")
    warehouse.run("scope/claim.sql", "fails")
    run(warehouse, "fails", QUERIES[:1])
    build(warehouse, "next")
    assert step_lines(warehouse) == ["05 (all) 1 0 0 0", "05 desktop 1 0 0 0"]
    assert warehouse.rows("select count(*) from clickstream.model_users") == [(0,)]
    assert warehouse.rows("select count(*) from clickstream.funnel_days") == [(0,)]


def declare(warehouse: Warehouse, run_id: str, **funnels: Funnel) -> list[tuple[Any, ...]]:
    """A run of the declared funnels; the users that it claimed."""
    warehouse.declared = {name: parameters(name, funnel) for name, funnel in funnels.items()}
    warehouse.run("scope/funnels.sql", run_id)
    warehouse.run("scope/claim.sql", run_id)
    claimed = warehouse.rows("select user_id, first_day, last_day from clickstream.model_users order by 1")
    for own in warehouse.declared.values():
        warehouse.parameters = own
        for path in QUERIES:
            warehouse.run(path, run_id)
    warehouse.run("scope/release.sql", run_id)
    return claimed


def test_what_is_declared_no_more_goes_and_what_is_declared_otherwise_is_built_again(warehouse: Warehouse) -> None:
    store(warehouse, "a search 05 23:50:00", *(f"a {step} 06 00:0{n}:00" for n, step in enumerate("vcbp")),
          "b v 08 10:00:00")  # fmt: skip
    declared = load_funnels()
    purchase, search = declared["purchase"], declared["search_to_purchase"]
    everybody = [("a", date(2026, 1, 5), date(2026, 1, 6)), ("b", date(2026, 1, 8), date(2026, 1, 8))]
    assert declare(warehouse, "first", purchase=purchase, search_to_purchase=search) == everybody
    assert declare(warehouse, "same", purchase=purchase, search_to_purchase=search) == []
    longest = "select funnel, max(reached) from clickstream.funnel_users group by 1 order by 1"
    assert warehouse.rows(longest) == [("purchase", 4), ("search_to_purchase", 4)]
    within_a_minute = msgspec.structs.replace(purchase, window="1 minute")
    assert declare(warehouse, "changed", purchase=within_a_minute) == everybody
    assert warehouse.rows(longest) == [("purchase", 2)]
    for table in ("funnel_users", "funnel_steps", "funnels"):
        assert warehouse.rows(f"select distinct funnel from clickstream.{table}") == [("purchase",)]
    assert warehouse.rows("select count(*) from clickstream.funnel_times") == [(0,)]
    assert declare(warehouse, "renamed", buying=within_a_minute) == everybody
    assert warehouse.rows(longest) == [("buying", 2)]


def test_a_release_leaves_a_later_run_alone(warehouse: Warehouse) -> None:
    store(warehouse, "a v 05 10:00:00")
    warehouse.run("scope/claim.sql", "left behind")
    warehouse.run("scope/claim.sql", "next")
    warehouse.run("scope/release.sql", "left behind")
    assert warehouse.rows("select user_id, run_id from clickstream.model_users") == [("a", "next")]


@pytest.mark.parametrize(
    ("damage", "check"),
    [
        ("update funnel_users set step_at[1] = step_at[2] + interval '1 second'", "users purchase: steps in order and"),
        (
            "update funnel_users set step_at[2] = step_at[1] + interval '14 days 1 second'",
            "users purchase: steps in order",
        ),
        ("update funnel_users set day = day + 40", "users purchase: step 1 on the day of the entry"),
        ("update funnel_steps set users = 9 where step = 3", "steps purchase: no step has more users"),
        ("update funnel_steps set users = users + 1 where step = 2", "steps purchase: the counts are the lengths"),
        ("delete from funnel_steps where breakdown = 'device'", "steps purchase: the counts are the lengths"),
        ("update funnel_times set users = users + 1", "times purchase: every conversion is in a class"),
    ],
)
def test_damage_stops_the_run_by_name(warehouse: Warehouse, damage: str, check: str) -> None:
    store(warehouse, "a v 05 10:00:00", "a c 05 10:01:00", "a b 05 10:02:00", "a p 05 10:03:00")
    warehouse.run("scope/claim.sql", "run")
    run(warehouse, "run", QUERIES)
    warehouse.execute(damage.replace("funnel_", "clickstream.funnel_", 1))
    run(warehouse, "run", CHECKS)
    [(passed, summary)] = warehouse.run("scope/gate.sql", "run")
    assert not passed
    assert f"fail - funnel_{check}" in summary


def test_a_changed_user_is_looked_up_whatever_is_stored(warehouse: Warehouse) -> None:
    """Over a stretch of four weeks with other users' events, no plan reads a partition in full."""
    with psycopg.connect(warehouse.dsn) as connection:
        connection.execute("select clickstream.ensure_event_partitions(array(select date '2026-01-01' + d from"
                           " generate_series(0, 27) as d))")  # fmt: skip
        connection.execute(
            "insert into clickstream.events (event_id, event_time, event_type, user_id, page_url, page_path,"
            " referrer_medium, device, browser, properties, kafka_time)"
            " select gen_random_uuid(), at, 'view_item', 'user ' || n % 500, '/', '/', 'direct', 'desktop', 'Firefox',"
            " '{}', at from generate_series(0, 28 * 400 - 1) as n,"
            " lateral (select timestamptz '2026-01-01 00:00+00' + n * interval '216 seconds' as at)"
        )
    store(warehouse, "a v 02 10:00:00", "a c 27 10:00:00")
    warehouse.run("scope/claim.sql")
    with psycopg.connect(warehouse.dsn) as connection:
        plan = warehouse.explain("funnel_users/query.sql", "insert into funnel_built", connection)
    ran = [line for line in plan if "never executed" not in line]
    assert any("Index Cond: ((user_id = ranges.user_id)" in line for line in ran), plan
    assert not any("Seq Scan on events_" in line for line in ran), plan


def random_events(seed: int, events: int) -> list[Event]:
    """Events of few users at few times, so that ties, repeats and window borders are common; all different."""
    choice = random.Random(seed)
    kinds = [
        "view_item",
        "add_to_cart",
        "begin_checkout",
        "purchase",
        "search",
        "page_view",
        "sign_up",
        "add_payment_info",
    ]
    drawn = {
        Event(
            user=choice.choice("abcde"),
            type=choice.choices(kinds, [4, 3, 3, 2, 2, 1, 1, 1])[0],
            time=moment("01", "00:00:00") + timedelta(hours=12) * choice.randrange(56),
            device=choice.choice(["desktop", "mobile"]),
            page="/?utm_source=s&utm_campaign=c",
        )
        for _ in range(events)
    }
    return sorted(drawn, key=repr)


def by_definition(events: list[Event]) -> set[tuple]:
    """The purchase funnel by every way to fill its steps: day, user, entry, reached."""
    start = moment("01", "00:00:00")
    found = set()
    for user in "abcde":
        mine = sorted(e.time for e in events if e.user == user)
        marks = [
            Mark(int((e.time - start).total_seconds()), frozenset({STEPS.index(e.type)}))
            for e in sorted(events, key=lambda e: e.time)
            if e.user == user and e.type in STEPS
        ]
        assert mine
        # All chains of weeks would be too many: those of a day's starts see what lies within the window alone.
        for day in {mark.time // DAY for mark in marks}:
            near = [m for m in marks if day * DAY <= m.time <= (day + 15) * DAY]
            for entered, (entry, times) in results(near, Rules(4, within=14 * DAY)).items():
                if entered == day:
                    at = start + timedelta(seconds=near[entry].time)
                    found.add((at.date(), user, at, len(times)))
    return found
