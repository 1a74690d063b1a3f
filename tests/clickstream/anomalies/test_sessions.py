"""Anomalies of sessions: each rule at its limit, people left alone, and no dependence on order."""

import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.anomalies.sessions import ANOMALY, session_anomalies
from clickstream.sessions import FRAGMENT, merge, session_rows

GAP_MS = 1_800_000
START_MS = 1_780_315_200_000
COLUMNS: dict[str, Any] = {
    "session_id": pl.Binary,
    "user_id": pl.String,
    "started_ms": pl.Int64,
    "ended_ms": pl.Int64,
    "path_at": pl.List(pl.Int64),
    **dict.fromkeys(
        ("events", "page_views", "item_views", "searches", "purchases", "payment_infos", "revenue_e4"), pl.Int64
    ),
    "bot": pl.String,
}


def row(minutes: float = 60, **fields: Any) -> dict[str, Any]:
    """A session of a person, of one page view and 60 minutes where a test does not say otherwise."""
    blank: dict[str, Any] = dict.fromkeys(COLUMNS, 0) | {"path_at": [START_MS], "bot": None, "events": 1}
    ends = START_MS + round(minutes * 60_000)
    return blank | {"session_id": b"s", "user_id": "ann", "started_ms": START_MS, "ended_ms": ends} | fields


def found(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return session_anomalies(pl.DataFrame(list(rows), schema=COLUMNS)).to_dicts()


def views(*pauses_ms: int) -> list[int]:
    times = [START_MS]
    for pause in pauses_ms:
        times.append(times[-1] + pause)
    return times


@pytest.mark.parametrize(
    ("session", "kinds"),
    [
        (row(), []),
        # scraping: 100 pages at ten a minute and more, hardly anything else
        (row(10, page_views=99, events=99), []),
        (row(10, page_views=100, events=100), ["scraping"]),
        (row(10, item_views=100, events=100), ["scraping"]),
        (row(10, page_views=100, item_views=100, searches=100, events=300), ["scraping"]),
        (row(10, page_views=50, item_views=50, events=100), []),  # 50 pages, each told of twice
        (row(10, page_views=100, events=105), ["scraping"]),
        (row(10, page_views=100, events=106), []),
        (row(10.1, page_views=100, events=100), []),
        (row(30, page_views=300, events=300), ["scraping"]),
        (row(30, page_views=299, events=299), []),
        (row(4_000, page_views=499, events=499), []),
        (row(4_000, page_views=500, events=500), ["scraping"]),
        (row(10, page_views=100, events=100, bot="declared"), []),
        # carding: 6 purchases or 15 payment attempts, with fewer than 20 events each
        (row(purchases=5, payment_infos=14), []),
        (row(purchases=6), ["carding"]),
        (row(purchases=6, events=120), ["carding"]),
        (row(purchases=6, events=121), []),
        (row(payment_infos=15, events=300), ["carding"]),
        (row(payment_infos=15, events=301), []),
        (row(purchases=6, bot="declared"), ["carding"]),
        # impossible speed: 4 pages a second over any 20, or 10 events a second over 100
        (row(path_at=views(*[264] * 19)), []),  # 20 pages in 5.016 s
        (row(path_at=views(*[263] * 19)), ["impossible_speed"]),
        (row(path_at=views(*[263] * 18)), []),
        (row(path_at=views(*[60_000] * 30, *[100] * 19, *[60_000] * 30)), ["impossible_speed"]),
        (row(path_at=views(*[0] * 30)), ["impossible_speed"]),
        (row(path_at=views(*[0] * 30), bot="declared"), []),
        (row(0, events=99), []),
        (row(0, events=100), ["impossible_speed"]),
        (row(10 / 60, events=100), ["impossible_speed"]),
        (row(10.1 / 60, events=100), []),
        (row(0, events=100, bot="declared"), []),
        # bot-like: what `bot` says, and nothing else
        (row(path_at=views(*[999] * 19), bot="rate"), ["bot_like"]),
        (row(path_at=views(*[60_000] * 19), bot="regular"), ["bot_like"]),
        (row(path_at=views(*[2_000, 4_000] * 10), bot="no_interaction"), ["bot_like"]),
        (row(path_at=views(*[0] * 99), events=100, page_views=100, minutes=0, purchases=6, bot="rate"),
         ["bot_like", "carding", "impossible_speed", "scraping"]),
    ],
)  # fmt: skip
def test_limits(session: dict[str, Any], kinds: list[str]) -> None:
    anomalies = found(session)
    assert [anomaly["kind"] for anomaly in anomalies] == kinds
    for anomaly in anomalies:
        assert 1 <= anomaly["score"] <= 100
        assert anomaly["lower_bound"] <= anomaly["expected"] < anomaly["upper_bound"] <= anomaly["value"]


@pytest.mark.parametrize(
    ("session", "value", "upper_bound", "score", "reason"),
    [
        (
            row(path_at=views(*[500] * 29), bot="rate"), 120, 60, 2,
            "30 pages at a median of 0.5 s; nobody opens 20 at less than 1 s",
        ),
        (
            row(path_at=views(*[0] * 19), bot="rate"), 6_000, 60, 100,
            "20 pages at a median of 0 s; nobody opens 20 at less than 1 s",
        ),
        (
            row(path_at=views(*[1_000, 1_100] * 15), bot="regular"), 10.5, 5, 2.1,
            "31 pages at a median of 1.05 s, as even as a machine's: pauses spread by 0.1 of their median, people's by "
            "more than 1",
        ),
        (
            row(path_at=views(*[2_000, 4_000] * 15), bot="no_interaction"), 20, 12, 5 / 3,
            "31 pages at a median of 3 s without one scroll or click",
        ),
        (
            row(12.5, page_views=250, item_views=240, events=492), 250, 125, 2,
            "250 pages in 12.5 minutes and 2 other events",
        ),
        (
            row(4_000, page_views=1_000, events=1_000), 1_000, 500, 2,
            "1000 pages in 4000 minutes and 0 other events",
        ),
        (
            row(purchases=9, payment_infos=60, revenue_e4=99_900, events=140), 60, 15, 4,
            "9 purchases worth 9.99 and 60 payment attempts among 140 events of one session",
        ),
        (
            row(purchases=12, payment_infos=15, revenue_e4=120_000, events=90), 12, 6, 2,
            "12 purchases worth 12 and 15 payment attempts among 90 events of one session",
        ),
        (
            row(path_at=views(*[125] * 29)), 20 / 2.375, 4, 5 / 2.375,
            "20 pages within 2.38 s; a person opens fewer than 4 a second",
        ),
        (
            row(0.5, events=900, path_at=views(*[250] * 29)), 30, 10, 3,
            "900 events within 30 s; a person makes fewer than 10 a second",
        ),
    ],
)  # fmt: skip
def test_the_worst_figure_speaks(
    session: dict[str, Any], value: float, upper_bound: float, score: float, reason: str
) -> None:
    anomaly, *_ = found(session)
    assert anomaly["value"] == pytest.approx(value)
    assert anomaly["upper_bound"] == upper_bound
    assert anomaly["score"] == pytest.approx(score)
    assert anomaly["reason"] == reason
    assert (anomaly["session_id"], anomaly["user_id"], anomaly["started_ms"]) == (b"s", "ann", START_MS)


def test_no_sessions_have_no_anomalies() -> None:
    anomalies = session_anomalies(pl.DataFrame(schema=COLUMNS))
    assert anomalies.is_empty()
    assert dict(anomalies.schema) == ANOMALY


FIGURES = st.fixed_dictionaries(
    {
        "minutes": st.integers(0, 200),
        "events": st.integers(1, 700),
        "page_views": st.integers(0, 600),
        "purchases": st.integers(0, 10),
        "payment_infos": st.integers(0, 30),
        "path_at": st.lists(st.integers(START_MS, START_MS + 20_000), max_size=40),
        "bot": st.sampled_from([None, "declared", "rate", "regular", "no_interaction"]),
    }
)


@settings(deadline=None, max_examples=30)
@given(st.lists(FIGURES, max_size=8), st.randoms())
def test_each_session_is_judged_alone(figures: list[dict[str, Any]], chance: random.Random) -> None:
    rows = [row(**one, session_id=bytes([number])) for number, one in enumerate(figures)]
    alone = [anomaly for one in rows for anomaly in found(one)]
    mixed = [one | {"path_at": chance.sample(one["path_at"], len(one["path_at"]))} for one in rows]
    assert found(*chance.sample(mixed, len(mixed))) == alone


def fragment(number: int, at_ms: int, kind: str) -> dict[str, Any]:
    """A fragment of one event of one user."""
    ids = number.to_bytes(16)
    viewed = kind == "page_view"
    blank = {name: None if type_ in (pl.String, pl.Binary) else 0 for name, type_ in FRAGMENT.items()}
    path = {"path": ["/p"], "path_at": [at_ms], "path_event_ids": [ids]} if viewed else {}
    leave = {"exit_page": "/p", "exit_ms": at_ms, "exit_event_id": ids} if viewed else {"exit_ms": None}
    times = {name: None for name in FRAGMENT if name.startswith("first_") and name.endswith("_ms")}
    counts = {"page_view": "page_views", "purchase": "purchases", "scroll": "scrolls"}
    return (
        blank
        | times
        | {"path": [], "path_at": [], "path_event_ids": []}
        | {"user_id": "ann", "started_ms": at_ms, "ended_ms": at_ms, "first_event_id": ids, "events": 1}
        | {counts[kind]: 1}
        | path
        | leave
    )


@settings(deadline=None, max_examples=20)
@given(
    st.lists(
        st.tuples(st.integers(0, 6_000), st.sampled_from(["page_view"] * 12 + ["purchase", "scroll"])), max_size=130
    ),
    st.randoms(),
    st.integers(1, 5),
)
def test_the_order_of_merging_does_not_matter(
    events: list[tuple[int, str]], chance: random.Random, pieces: int
) -> None:
    single = [fragment(number, START_MS + at_ms, kind) for number, (at_ms, kind) in enumerate(events)]
    at_once = session_rows(merge(pl.DataFrame(single, schema=FRAGMENT), GAP_MS))
    shuffled = chance.sample(single, len(single))
    merged = pl.DataFrame(schema=FRAGMENT)
    for part in range(pieces):
        merged = merge(pl.concat([merged, pl.DataFrame(shuffled[part::pieces], schema=FRAGMENT)]), GAP_MS)
    assert session_anomalies(session_rows(merged)).equals(session_anomalies(at_once))
