"""Which event fills which step, as PostgreSQL finds it, against every way to fill them (`funnel_matcher`)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import or_

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funnel_matcher import DAY, Mark, Rules, results

MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)
MATCH = (
    "select day, entry, events from clickstream.match_funnel(%s::timestamptz[], %s::int[], %s::int, %s::int, %s, %s,"
    " %s::interval, %s, '2026-01-01', '2026-02-01')"
)
COMMON = settings(deadline=None, max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def connection(migrated: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(migrated, autocommit=True) as opened:
        yield opened


@st.composite
def funnels(draw: st.DrawFn) -> tuple[Rules, list[Mark]]:
    """Rules and a few events at few times, many of them equal, around a midnight."""
    steps = draw(st.integers(2, 4))
    order = draw(st.sampled_from(["ordered", "strict", "any"]))
    strict_ties = draw(st.booleans())
    same_day = draw(st.integers(0, 5)) == 0
    within = None if same_day else draw(st.sampled_from([None, 2, 5, 10, DAY]))
    step = st.integers(0, steps - 1)
    can = st.frozensets(step, max_size=2) if draw(st.booleans()) else st.frozensets(step, max_size=1)
    # Which event of a moment fills a step of order `any` with strict ties is not said, so neither is what it spoils.
    gaps = st.frozensets(st.integers(0, steps - 2), max_size=0 if order == "any" and strict_ties else 1)
    event = st.builds(Mark, st.integers(DAY - 4, DAY + draw(st.sampled_from([1, 8, 40]))), can, gaps, st.booleans())
    drawn = draw(st.lists(event, min_size=1, max_size=8))
    events = [Mark(e.time, e.steps, e.spoils, order == "strict" and (bool(e.steps) or e.considered)) for e in drawn]
    return Rules(steps, order, strict_ties, within, same_day), sorted(events, key=lambda e: e.time)


def found(connection: psycopg.Connection, rules: Rules, events: list[Mark]) -> dict[int, tuple[int, list[int]]]:
    """As `funnel_matcher.results` gives them."""
    marks = [
        sum(1 << step for step in event.steps)
        | sum(1 << (15 + gap) for gap in event.spoils)
        | (1 << 30 if event.considered else 0)
        for event in events
    ]
    times = [MIDNIGHT + timedelta(seconds=event.time) for event in events]
    within = None if rules.within is None else timedelta(seconds=rules.within)
    bound = [times, marks, reduce(or_, marks), rules.steps, rules.order, rules.strict_ties, within, rules.same_day]
    return {
        (day - date(2026, 1, 5)).days: (entry - 1, [events[position - 1].time for position in chain])
        for day, entry, chain in connection.execute(MATCH, bound).fetchall()
    }


@COMMON
@given(funnels())
def test_it_is_the_best_of_all_ways(connection: psycopg.Connection, drawn: tuple[Rules, list[Mark]]) -> None:
    rules, events = drawn
    assert found(connection, rules, events) == results(events, rules)


def test_heavy_users_cost_no_more_than_their_events(connection: psycopg.Connection) -> None:
    """30,000 starts and nothing that follows, in one day: work with the square of it would not end within the time."""
    events = [Mark(second, frozenset({0})) for second in range(30_000)]
    rules = Rules(3, within=DAY)
    with connection.transaction():
        connection.execute("set local statement_timeout = '60s'")
        assert found(connection, rules, [*events, Mark(30_001, frozenset({1}))]) == {0: (0, [0, 30_001])}
        assert found(connection, rules, [Mark(0, frozenset({1})), *events[1:]]) == {0: (1, [1])}


def test_twelve_steps(connection: psycopg.Connection) -> None:
    events = [Mark(step, frozenset({step}), considered=True) for step in range(12)]
    for order in ("ordered", "strict", "any"):
        assert found(connection, Rules(12, order), events) == {0: (0, list(range(12)))}
