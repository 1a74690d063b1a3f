"""What late events did to sessions: late, reopened and joined, against the same in plain Python."""

from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.arrivals import session_arrivals

GAP = 100
SPAN = {"user_id": pl.String, "started_ms": pl.Int64, "ended_ms": pl.Int64}
LATE = {"user_id": pl.String, "event_ms": pl.Int64, "kafka_ms": pl.Int64}
Span = tuple[str, int, int]


def found(late: list[tuple[str, int, int]], before: list[Span], after: list[Span]) -> list[tuple[Any, ...]]:
    """session (its number in `after`), user, kafka_ms, late_events, reopened, joined."""
    stored = pl.DataFrame(before, schema=SPAN, orient="row")
    ids = [bytes([number]) for number in range(len(after))]
    became = pl.DataFrame(after, schema=SPAN, orient="row").with_columns(session_id=pl.Series(ids, dtype=pl.Binary))
    arrived = session_arrivals(pl.DataFrame(late, schema=LATE, orient="row"), stored, became, GAP)
    columns = ["session_id", "user_id", "kafka_ms", "late_events", "reopened", "joined"]
    return [(row[0][0], *row[1:]) for row in arrived.select(columns).rows()]


def test_a_session_of_late_events_alone_was_neither_reopened_nor_joined() -> None:
    assert found([("ann", 5, 900), ("ann", 9, 800)], [], [("ann", 5, 9)]) == [(0, "ann", 900, 2, False, 0)]


def test_reopened_is_a_session_that_was_over_by_more_than_the_gap() -> None:
    before, after = [("ann", 0, 50)], [("ann", 0, 60)]
    assert found([("ann", 60, 150)], before, after) == [(0, "ann", 150, 1, False, 0)]
    assert found([("ann", 60, 151)], before, after) == [(0, "ann", 151, 1, True, 0)]


def test_joined_are_the_stored_sessions_that_became_one_less_that_one() -> None:
    before = [("ann", 0, 10), ("ann", 120, 130), ("ann", 240, 250), ("bob", 0, 10)]
    after = [("ann", 0, 250), ("bob", 0, 20)]
    late = [("ann", 60, 999), ("ann", 180, 500), ("bob", 20, 30)]
    assert found(late, before, after) == [(0, "ann", 999, 2, True, 2), (1, "bob", 30, 1, False, 0)]


def test_sessions_without_a_late_event_are_not_told_of() -> None:
    before = [("ann", 0, 10), ("ann", 500, 510)]
    after = [("ann", 0, 10), ("ann", 500, 520), ("bob", 5, 5)]
    assert found([("ann", 3, 999)], before, after) == [(0, "ann", 999, 1, True, 0)]


def plain(late: list[tuple[str, int, int]], before: list[Span], after: list[Span]) -> list[tuple[Any, ...]]:
    told = []
    for number, (user, start, end) in enumerate(after):
        came = [kafka for who, at, kafka in late if who == user and start <= at <= end]
        former = [over for who, first, over in before if who == user and start <= first and over <= end]
        if came:
            reopened = any(max(came) - over > GAP for over in former)
            told.append((number, user, max(came), len(came), reopened, max(len(former) - 1, 0)))
    return told


def spans(user: str, times: list[int]) -> list[Span]:
    """Sessions of a user's event times."""
    made: list[Span] = []
    for at in sorted(times):
        if made and at - made[-1][2] <= GAP:
            made[-1] = (user, made[-1][1], at)
        else:
            made.append((user, at, at))
    return made


_TIMES = st.lists(st.integers(0, 1_500), max_size=8)


@settings(deadline=None)
@given(
    stored=st.tuples(_TIMES, _TIMES), late=st.tuples(_TIMES, _TIMES), delay=st.lists(st.integers(1, 400), min_size=1)
)
def test_any_late_events_are_told_as_by_plain_python(
    stored: tuple[list[int], list[int]], late: tuple[list[int], list[int]], delay: list[int]
) -> None:
    before, after, came = [], [], []
    for user, old, new in zip(("ann", "bob"), stored, late, strict=True):
        before += spans(user, old)
        after += spans(user, old + new)
        came += [(user, at, at + delay[number % len(delay)]) for number, at in enumerate(new)]
    assert found(came, before, after) == plain(came, before, after)
