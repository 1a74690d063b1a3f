"""Journeys: what a step is, and links that add up in whatever order sessions come together."""

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as rounds
from hypothesis import strategies as st

from builders import NOON_MS, event, piece
from clickstream import journeys, sessions
from clickstream.settings import settings
from clickstream.slice import decode_slice

GAP_MS = 1_800_000
DAY_MS = 86_400_000
TODAY = NOON_MS // DAY_MS * DAY_MS
LABELS = {"/": "Home", "/p/1": "Product", "/p/2": "Product", "/gifts": "/gifts", "/cart": "Cart"}


def rows(*visits: dict[str, Any]) -> pl.DataFrame:
    """Sessions of people that start at noon, where a test does not say otherwise."""
    blank = {"started_ms": NOON_MS, "path": [], "bot": None, "quarantined": False}
    schema = {"started_ms": pl.Int64, "path": pl.List(pl.String), "bot": pl.String, "quarantined": pl.Boolean}
    return pl.DataFrame([blank | visit for visit in visits], schema=schema, orient="row")


def links(*visits: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Step, source, target, sessions."""
    return journeys.transitions(rows(*visits)).drop("day_ms").rows()


def test_a_path_is_a_link_a_step_and_an_exit() -> None:
    assert links({"path": ["/", "/gifts", "/cart"]}) == [
        (1, "Home", "/gifts", 1),
        (2, "/gifts", "Cart", 1),
        (3, "Cart", "(exit)", 1),
    ]


def test_pages_that_come_again_at_once_are_one_step_and_pages_of_one_group_are_not() -> None:
    assert links({"path": ["/gifts", "/gifts", "/p/1", "/p/2", "/p/2", "/gifts"]}) == [
        (1, "/gifts", "Product", 1),
        (2, "Product", "Product", 1),
        (3, "Product", "/gifts", 1),
        (4, "/gifts", "(exit)", 1),
    ]


@pytest.mark.parametrize(("pages", "last"), [(5, ("/5", "(exit)")), (6, ("/5", "/6")), (100, ("/5", "/6"))])
def test_links_end_at_the_fifth_step(pages: int, last: tuple[str, str]) -> None:
    found = links({"path": [f"/{number}" for number in range(1, pages + 1)]})
    assert [step for step, *_ in found] == [1, 2, 3, 4, 5]
    assert found[-1] == (5, *last, 1)


def test_bots_quarantined_sessions_and_those_without_a_page_are_left_out() -> None:
    path = ["/", "/cart"]
    assert links({"path": path, "bot": "declared"}, {"path": path, "bot": "rate"}, {"path": path, "quarantined": True},
                 {"path": []}) == []  # fmt: skip
    assert links({"path": path, "bot": "regular"}, {"path": []}, {"path": ["/"]}) == [(1, "Home", "(exit)", 1)]


def test_links_are_counted_by_the_utc_day_of_the_start() -> None:
    starts = [TODAY, TODAY + DAY_MS - 1, TODAY + DAY_MS]
    found = journeys.transitions(rows(*({"path": ["/"], "started_ms": start} for start in starts)))
    assert found.select("day_ms", "sessions").rows() == [(TODAY, 2), (TODAY + DAY_MS, 1)]


def test_no_sessions_are_no_links() -> None:
    none = journeys.transitions(rows())
    assert none.is_empty()
    assert dict(none.schema) == journeys.LINKS
    assert journeys.changed(none, none).is_empty()


def test_what_changed_takes_back_what_is_no_longer_so() -> None:
    before = journeys.transitions(rows({"path": ["/"]}, {"path": ["/cart"]}, {"path": ["/gifts"]}))
    after = journeys.transitions(rows({"path": ["/", "/cart"]}, {"path": ["/gifts"]}))
    assert journeys.changed(before, after).drop("day_ms").rows() == [
        (1, "Cart", "(exit)", -1),
        (1, "Home", "(exit)", -1),
        (1, "Home", "Cart", 1),
        (2, "Cart", "(exit)", 1),
    ]


def test_own_rules_for_groups_name_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "groups.yaml"
    rules.write_text('groups: [{pattern: "/gifts", label: Presents}]')
    monkeypatch.setenv("CLICKSTREAM_PAGE_GROUPS", str(rules))
    settings.cache_clear()
    try:
        assert links({"path": ["/gifts", "/cart"]})[0] == (1, "Presents", "/cart", 1)
    finally:
        settings.cache_clear()


def plain(events: list[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    """The links of page views of people, by hand: day, step, source, target."""
    counted: Counter[tuple[Any, ...]] = Counter()
    for user in {said["user_id"] for said in events}:
        mine = sorted((said for said in events if said["user_id"] == user), key=lambda said: said["at"])
        breaks = [0, *(n for n, (a, b) in enumerate(pairwise(mine), 1) if b["at"] - a["at"] > GAP_MS), len(mine)]
        for start, end in pairwise(breaks):
            pages = [said["page"] for said in mine[start:end]]
            steps = [LABELS[page] for n, page in enumerate(pages) if n == 0 or page != pages[n - 1]]
            day = mine[start]["at"] // DAY_MS * DAY_MS
            ways = enumerate(pairwise([*steps, "(exit)"]), start=1)
            counted.update((day, step, *way) for step, way in ways if step <= 5)
    return counted


@rounds(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), slices=st.integers(1, 8))
def test_changes_of_any_slices_in_any_order_add_up_to_the_links_of_one_pass(seed: int, slices: int) -> None:
    chance = random.Random(seed)
    said = [
        {
            "user_id": chance.choice("ab"),
            "at": NOON_MS + 43_200_000 + chance.randrange(-4 * GAP_MS, 4 * GAP_MS),
            "page": chance.choice(list(LABELS)),
        }
        for _ in range(30)
    ]
    events = [
        event(number, (each["at"] - NOON_MS) / 1_000, each["user_id"], page_url=f"https://shop.example{each['page']}")
        for number, each in enumerate(said)
    ]
    chance.shuffle(events)
    stored: pl.DataFrame = sessions.merge(fold(events[::slices]), GAP_MS)
    added = [journeys.transitions(sessions.judged(stored))]
    for start in range(1, slices):
        before, stored = stored, sessions.merge(pl.concat([stored, fold(events[start::slices])]), GAP_MS)
        added.append(journeys.changed(*(journeys.transitions(sessions.judged(pieces)) for pieces in (before, stored))))
    summed = pl.concat(added).group_by(journeys.LINK).agg(pl.col("sessions").sum()).filter(pl.col("sessions") != 0)
    assert {row[:4]: row[4] for row in summed.rows()} == plain(said)
    assert (
        journeys.transitions(sessions.judged(fold(events))).sort(journeys.LINK).rows()
        == summed.sort(journeys.LINK).rows()
    )


def fold(events: list[dict[str, Any]]) -> pl.DataFrame:
    decoded = decode_slice(piece("t", events, kafka_ms=NOON_MS + 2 * DAY_MS).records, 0)
    return sessions.fragments(decoded.events, GAP_MS)
