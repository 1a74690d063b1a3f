"""The purchase funnel on a real PostgreSQL: its semantics as data, and runs in any pieces."""

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import yaml

from sql_warehouse import Event, Warehouse, moment

CASES = yaml.safe_load((Path(__file__).with_name("funnel_cases.yaml")).read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(warehouse: Warehouse, case: dict) -> None:
    warehouse.store(map(Event.parse, case["events"]))
    warehouse.build()
    assert [_user_line(row, case) for row in warehouse.funnel_users()] == case["users"]
    if "steps" in case:
        assert _step_lines(warehouse) == case["steps"]


def test_step_times_are_those_of_the_best_start(warehouse: Warehouse) -> None:
    warehouse.store(map(Event.parse, ["a v 05 10:00:00", "a c 05 10:01:00", "a b 05 10:09:00", "a v 05 10:02:00"]))
    warehouse.build()
    [(step_at,)] = warehouse.rows("select step_at from clickstream.funnel_users")
    assert step_at == [moment("05", "10:00:00"), moment("05", "10:01:00"), moment("05", "10:09:00")]


def test_shares(warehouse: Warehouse) -> None:
    warehouse.store(map(Event.parse, ["a v 05 10:00:00", "a c 05 10:01:00", *(f"{u} v 05 10:00:00" for u in "bcd")]))
    warehouse.build()
    assert warehouse.rows(
        "select step, step_name, users, share_of_previous, share_of_first"
        " from clickstream.funnel_steps where device = '(all)' order by step"
    ) == [
        (1, "view_item", 4, None, 1.0),
        (2, "add_to_cart", 1, 0.25, 0.25),
        (3, "begin_checkout", 0, 0.0, 0.0),
        (4, "purchase", 0, None, 0.0),
    ]


def test_a_late_event_changes_the_day_that_it_reaches(warehouse: Warehouse) -> None:
    warehouse.store(map(Event.parse, ["a v 05 10:00:00", "b v 06 10:00:00"]))
    warehouse.build("first")
    warehouse.store(map(Event.parse, ["a c 08 10:00:00", "a v 04 23:00:00"]))
    warehouse.build("second")
    assert [row[1:6] for row in warehouse.funnel_users()] == [
        (date(2026, 1, 4), "a", "desktop", moment("04", "23:00:00"), 2),
        (date(2026, 1, 5), "a", "desktop", moment("05", "10:00:00"), 2),
        (date(2026, 1, 6), "b", "desktop", moment("06", "10:00:00"), 1),
    ]


def test_an_entry_moves_when_an_earlier_one_of_the_day_arrives(warehouse: Warehouse) -> None:
    warehouse.store([Event.parse("a v 05 10:00:00 desktop")])
    warehouse.build("first")
    warehouse.store([Event.parse("a v 05 09:00:00 mobile")])
    warehouse.build("second")
    assert _step_lines(warehouse) == ["05 (all) 1 0 0 0", "05 mobile 1 0 0 0"]


def test_a_run_without_changes_leaves_every_row_alone(warehouse: Warehouse) -> None:
    warehouse.store(_random_events(seed=1, events=200))
    warehouse.build("first")
    versions = "select xmin::text, day, user_id from clickstream.funnel_users order by day, user_id"
    before, users, steps = warehouse.rows(versions), warehouse.funnel_users(), warehouse.funnel_steps()
    # The interval of this run holds every event: all is claimed and built again.
    warehouse.build("second", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    assert warehouse.funnel_users() == users
    assert warehouse.funnel_steps() == steps
    assert warehouse.rows(versions) == before


@pytest.mark.parametrize("seed", range(5))
def test_pieces_in_any_order_equal_the_whole(warehouse: Warehouse, seed: int) -> None:
    events = _random_events(seed, events=150)
    shuffled = random.Random(seed).sample(events, len(events))
    for number, piece in enumerate((shuffled[:40], shuffled[40:45], shuffled[45:])):
        warehouse.store(piece)
        warehouse.build(f"run {number}")
    users, steps = warehouse.funnel_users(), warehouse.funnel_steps()
    assert len(users) > 20
    with psycopg.connect(warehouse.dsn, autocommit=True) as connection:
        connection.execute("delete from clickstream.funnel_users")
        connection.execute("delete from clickstream.funnel_steps")
    warehouse.build("all", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    assert warehouse.funnel_users() == users
    assert warehouse.funnel_steps() == steps
    assert {(day, user, entered_at, reached) for _, day, user, _, entered_at, reached, _ in users} == _by_definition(
        events
    )


def test_changes_that_commit_during_a_build_are_left_to_the_next_run(warehouse: Warehouse) -> None:
    warehouse.store([Event.parse("a v 05 10:00:00")])
    warehouse.run("scope/claim.sql", "first")
    warehouse.store([Event.parse("b v 05 10:00:00")])
    for path in ("funnel_users/query.sql", "funnel_steps/query.sql", "scope/release.sql"):
        warehouse.run(path, "first")
    assert _step_lines(warehouse) == ["05 (all) 1 0 0 0", "05 desktop 1 0 0 0"]
    warehouse.build("second")
    assert _step_lines(warehouse) == ["05 (all) 2 0 0 0", "05 desktop 2 0 0 0"]


def test_a_run_takes_over_what_a_failed_one_left(warehouse: Warehouse) -> None:
    warehouse.store([Event.parse("a v 05 10:00:00")])
    warehouse.run("scope/claim.sql", "fails")
    warehouse.run("funnel_users/query.sql", "fails")
    warehouse.build("next")
    assert _step_lines(warehouse) == ["05 (all) 1 0 0 0", "05 desktop 1 0 0 0"]
    assert warehouse.rows("select count(*) from clickstream.model_users") == [(0,)]
    assert warehouse.rows("select count(*) from clickstream.funnel_days") == [(0,)]


def test_a_release_leaves_a_later_run_alone(warehouse: Warehouse) -> None:
    warehouse.store([Event.parse("a v 05 10:00:00")])
    warehouse.run("scope/claim.sql", "left behind")
    warehouse.run("scope/claim.sql", "next")
    warehouse.run("scope/release.sql", "left behind")
    assert warehouse.rows("select user_id, run_id from clickstream.model_users") == [("a", "next")]


def _user_line(row: tuple, case: dict) -> str:
    _, day, user, device, entered_at, reached, step_at = row
    line = f"{day:%d} {user} {device} {entered_at.astimezone(UTC):%d %H:%M:%S} reached {reached}"
    with_start = any(" from " in expected for expected in case["users"])
    return f"{line} from {step_at[0].astimezone(UTC):%d %H:%M:%S}" if with_start else line


def _step_lines(warehouse: Warehouse) -> list[str]:
    return [
        f"{day:%d} {device} {' '.join(map(str, users))}"
        for day, device, users in warehouse.rows(
            "select day, device, array_agg(users order by step) from clickstream.funnel_steps"
            " group by day, device order by day, device"
        )
    ]


def _random_events(seed: int, events: int) -> list[Event]:
    """Events of few users at few times, so that ties, repeats and window borders are common; all different."""
    choice = random.Random(seed)
    drawn = {
        Event(
            user=choice.choice("abcde"),
            type=choice.choices(["view_item", "add_to_cart", "begin_checkout", "purchase"], [4, 3, 3, 2])[0],
            time=moment("01", "00:00:00") + timedelta(hours=12) * choice.randrange(56),
            device=choice.choice(["desktop", "mobile"]),
            bot=choice.choice([None, None, None, None, "bot"]),
        )
        for _ in range(events)
    }
    return sorted(drawn, key=repr)


def _by_definition(events: list[Event]) -> set[tuple]:
    """The funnel by its definition: for each start, every choice of following steps."""
    names = ["view_item", "add_to_cart", "begin_checkout", "purchase"]
    people = [event for event in events if event.bot is None]

    def furthest(user: str, start: datetime, after: datetime, step: int) -> int:
        following = [
            event.time
            for event in people
            if event.user == user and event.type == names[step] and after <= event.time <= start + timedelta(days=14)
        ]
        if not following:
            return step
        # Later choices leave less room, so the set of what is reachable from the earliest holds all others.
        return step + 1 if step == 3 else furthest(user, start, min(following), step + 1)

    results = set()
    for user in {event.user for event in people}:
        starts = sorted((e for e in people if e.user == user and e.type == names[0]), key=lambda e: e.time)
        for day in {event.time.date() for event in starts}:
            of_day = [event for event in starts if event.time.date() == day]
            reached = max(furthest(user, event.time, event.time, 1) for event in of_day)
            results.add((day, user, of_day[0].time, reached))
    return results
