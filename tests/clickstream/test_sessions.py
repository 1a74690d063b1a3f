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
from clickstream.contract import EVENT_TYPES
from clickstream.slice import decode_slice

GAP_MS = 1_800_000
GOOGLEBOT = "Googlebot/2.1 (+http://www.google.com/bot.html)"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4"
    " Mobile/15E148 Safari/604.1"
)


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


def test_events_are_counted_by_type_and_custom_ones_are_the_rest() -> None:
    known = row(*[event(number, number, kind=kind) for number, kind in enumerate([*EVENT_TYPES, "wish", "login"])])
    assert [known[name] for name in sessions.COUNTS] == [1] * 11 + [2]
    assert set(sessions.COUNTS.values()) == set(EVENT_TYPES)
    assert known["events"] - sum(known[name] for name in sessions.COUNTS) == 1


def test_the_first_time_of_each_step_and_none_where_it_was_not_taken() -> None:
    steps = {name: kind for name, kind in sessions.FIRST_TIMES.items() if kind != "search"}
    twice = [event(number, number, kind=kind) for number, kind in enumerate([*steps.values(), *steps.values()])]
    found = row(*twice)
    assert {name: found[name] for name in steps} == {name: NOON_MS + n * 1_000 for n, name in enumerate(steps)}
    assert found["first_search_ms"] is None


def test_the_first_event_tells_where_the_session_came_from() -> None:
    found = row(
        event(1, 0, page_url="/deals?utm_source=Ads&utm_medium=cpc&utm_campaign=May", user_agent=SAFARI),
        event(2, 1, referrer="https://www.google.com/"),
    )
    told = ("referrer_medium", "source", "medium", "campaign", "channel", "device", "browser", "browser_version", "os")
    assert [found[name] for name in told] == [
        "paid", "ads", "cpc", "May", "Paid Other", "mobile", "Safari", "17.4", "iOS",
    ]  # fmt: skip


def test_the_clients_own_session_ids_are_kept_as_smallest_and_largest() -> None:
    clients = ("client_session_min", "client_session_max")
    told = row(event(1, 0, session_id="b"), event(2, 1), event(3, 2, session_id="ä"), event(4, 3, session_id="c"))
    assert [told[name] for name in clients] == ["b", "ä"]
    assert [row(event(1))[name] for name in clients] == [None, None]


def test_who_says_to_be_a_bot_is_one_whatever_else_it_does() -> None:
    views = [event(number, number * 60) for number in range(20)]
    assert row(*views[:19])["bot"] is None
    assert row(*views)["bot"] == "regular"
    assert row(*views, event(20, 1, kind="click", user_agent=GOOGLEBOT))["bot"] == "declared"


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), parts=st.integers(1, 8))
def test_any_split_in_any_order_merges_to_one_pass(seed: int, parts: int) -> None:
    chance = random.Random(seed)
    kinds = ["page_view", "page_view", *EVENT_TYPES]
    agents = [None, GOOGLEBOT, SAFARI]
    clients, referrers = [None, "s-1", "s-2"], [None, "https://www.google.com/", "https://news.example/"]
    events = [
        event(number, chance.choice([0, 900, 1_799, 1_800, 1_801, 5_000]) + chance.randrange(2), chance.choice("ab"),
              chance.choice(kinds), page_url=f"/{chance.randrange(4)}{chance.choice(['', '?utm_source=x'])}",
              user_agent=chance.choice(agents), session_id=chance.choice(clients), referrer=chance.choice(referrers),
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
