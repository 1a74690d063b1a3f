"""The session monoid: any split, order or grouping of events gives the same sessions."""

import random
import uuid
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NOON_MS, event, piece
from clickstream import sessions
from clickstream.slice import decode_slice

GAP_MS = 1_800_000


def frame(events: list[dict[str, Any]]) -> pl.DataFrame:
    decoded = decode_slice(piece("t", list(events), kafka_ms=NOON_MS + 10**9).records, 0)
    assert decoded.dead_letters.is_empty()
    return decoded.events


def canonical(pieces: pl.DataFrame) -> list[Any]:
    return pieces.sort("user_id", "started_ms").rows()


def fold(events: list[dict[str, Any]]) -> pl.DataFrame:
    return sessions.fragments(frame(events), GAP_MS)


def test_the_gap_is_1800_seconds_inclusive() -> None:
    assert fold([event(1, 0), event(2, 1_800)])["events"].to_list() == [2]
    assert fold([event(1, 0), event(2, 1_800.001)])["events"].to_list() == [1, 1]


def test_equal_times_are_ordered_by_event_id() -> None:
    tied = [event(3, 5, page_url="/c"), event(1, 5, page_url="/a"), event(2, 5, page_url="/b")]
    folded = fold(tied)
    assert folded["path"].to_list() == [["/a", "/b", "/c"]]
    assert folded["exit_page"].to_list() == ["/c"]
    assert folded["first_event_id"].to_list() == [uuid.UUID(int=1).bytes]


def test_the_first_hundred_views_are_kept_and_all_are_counted() -> None:
    folded = fold([event(number, number, page_url=f"/{number}") for number in range(150)])
    assert folded["path"].to_list() == [[f"/{number}" for number in range(100)]]
    assert (folded["page_views"].item(), folded["exit_page"].item()) == (150, "/149")


def row(*events: dict[str, Any]) -> dict[str, Any]:
    return sessions.session_rows(fold(list(events))).row(0, named=True)


@pytest.mark.parametrize(
    ("events", "engaged"),
    [
        ([event(1, 0)], False),
        ([event(1, 0), event(2, 10, kind="scroll")], False),
        ([event(1, 0), event(2, 10.001, kind="scroll")], True),
        ([event(1, 0), event(2, 1)], True),
        ([event(1, 0, kind="sign_up")], True),
        ([event(1, 0, kind="purchase")], True),
        ([event(1, 0, kind="add_to_cart")], False),
    ],
)
def test_engaged(events: list[dict[str, Any]], engaged: bool) -> None:
    assert row(*events)["engaged"] is engaged


def test_conversion_and_revenue_in_ten_thousandths() -> None:
    bought = row(
        event(1, 0, kind="purchase", properties={"price": 0.1, "quantity": 3}),
        event(2, 1, kind="purchase", properties={"price": 0.2}),
        event(3, 2, kind="purchase"),
        event(4, 3, kind="view_item", properties={"price": 99}),
    )
    assert (bought["converted"], bought["purchases"], bought["revenue_e4"]) == (True, 3, 5_000)


def test_over_three_days_or_ten_thousand_events_is_quarantined() -> None:
    steps = 3 * 86_400 // 1_800
    chain = [event(number, number * 1_800) for number in range(steps + 1)]
    assert row(*chain)["quarantined"] is False
    assert row(*chain, event(steps + 1, steps * 1_800 + 1))["quarantined"] is True
    assert row(*[event(number, number / 100) for number in range(10_001)])["quarantined"] is True


def test_a_session_id_depends_on_the_user_and_the_first_event_only() -> None:
    first = uuid.UUID(int=7).bytes
    assert sessions.session_id("ann", first) == sessions.session_id("ann", first)
    assert sessions.session_id("ann", first) != sessions.session_id("bob", first)
    assert uuid.UUID(bytes=sessions.session_id("ann", first)).version == 8


def test_revenue_saturates_instead_of_overflowing() -> None:
    high = fold([event(1, 0, kind="purchase")]).with_columns(revenue_e4=pl.lit(sessions.MAX_REVENUE_E4 - 1))
    more = fold([event(2, 1, kind="purchase")]).with_columns(revenue_e4=pl.lit(sessions.MAX_REVENUE_E4 - 1))
    assert sessions.merge(pl.concat([high, more]), GAP_MS)["revenue_e4"].item() == sessions.MAX_REVENUE_E4


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), parts=st.integers(1, 8))
def test_any_split_in_any_order_merges_to_one_pass(seed: int, parts: int) -> None:
    chance = random.Random(seed)
    kinds = ["page_view", "page_view", "purchase", "search", "sign_up"]
    agents = [None, "Googlebot/2.1 (+http://www.google.com/bot.html)", "Mozilla/5.0 (iPhone) Mobile Safari"]
    events = [
        event(number, chance.choice([0, 900, 1_799, 1_800, 1_801, 5_000]) + chance.randrange(2), chance.choice("ab"),
              chance.choice(kinds), page_url=f"/{chance.randrange(4)}", user_agent=chance.choice(agents),
              properties={"price": chance.choice([0.1, 3])})
        for number in range(40)
    ]  # fmt: skip
    whole = canonical(fold(events))
    chance.shuffle(events)
    pieces = [fold(events[start::parts]) for start in range(parts)]
    assert canonical(sessions.merge(pl.concat(pieces), GAP_MS)) == whole
    chance.shuffle(pieces)
    one_by_one = pieces[0]
    for part in pieces[1:]:
        one_by_one = sessions.merge(pl.concat([one_by_one, part]), GAP_MS)
    assert canonical(one_by_one) == whole
    assert canonical(sessions.merge(one_by_one, GAP_MS)) == whole
