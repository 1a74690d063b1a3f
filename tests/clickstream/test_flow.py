"""The flow chart on links small enough to count by hand."""

import polars as pl
import pytest

from clickstream.flow import flow
from clickstream.journeys import LINKS

Link = tuple[int, int, str, str, int]

# Ten sessions of one day: six begin at Home, three at Deals, one at Blog.
LINKS_OF_A_DAY: list[Link] = [
    (0, 1, "Home", "Cart", 4),
    (0, 1, "Home", "(exit)", 2),
    (0, 1, "Deals", "Cart", 1),
    (0, 1, "Deals", "Help", 2),
    (0, 1, "Blog", "(exit)", 1),
    (0, 2, "Cart", "(exit)", 5),
    (0, 2, "Help", "Home", 2),
    (0, 3, "Home", "(exit)", 2),
]


def links(rows: list[Link]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=LINKS, orient="row")


def test_links_have_their_shares_of_source_step_and_all() -> None:
    found = flow(links(LINKS_OF_A_DAY))

    assert found.columns == ["step", "source", "target", "sessions", "share_of_source", "share_of_step", "share_of_all"]
    assert found.select("step", "source", "target", "sessions").rows() == [
        (1, "Home", "Cart", 4),
        (1, "Deals", "Help", 2),
        (1, "Home", "(exit)", 2),
        (1, "Blog", "(exit)", 1),
        (1, "Deals", "Cart", 1),
        (2, "Cart", "(exit)", 5),
        (2, "Help", "Home", 2),
        (3, "Home", "(exit)", 2),
    ]
    shares = found.select("^share_of_.*$").rows()
    assert shares[0] == pytest.approx((4 / 6, 4 / 10, 4 / 10))
    assert shares[1] == pytest.approx((2 / 3, 2 / 10, 2 / 10))
    assert shares[5] == pytest.approx((1, 5 / 7, 5 / 10))
    assert shares[7] == pytest.approx((1, 1, 2 / 10))


def test_labels_beyond_the_top_of_their_step_are_other_and_an_end_stays_an_end() -> None:
    found = flow(links(LINKS_OF_A_DAY), top=1)

    assert found.select("step", "source", "target", "sessions").rows() == [
        (1, "Home", "Cart", 4),
        (1, "(other)", "(other)", 2),
        (1, "Home", "(exit)", 2),
        (1, "(other)", "(exit)", 1),
        (1, "(other)", "Cart", 1),
        (2, "Cart", "(exit)", 5),
        (2, "(other)", "Home", 2),
        (3, "Home", "(exit)", 2),
    ]


def test_of_equal_labels_the_first_by_name_stays() -> None:
    found = flow(links([(0, 1, "b", "(exit)", 2), (0, 1, "a", "(exit)", 2), (0, 1, "c", "(exit)", 2)]), top=2)

    assert found.select("source", "sessions").rows() == [("(other)", 2), ("a", 2), ("b", 2)]


def test_no_top_keeps_every_label() -> None:
    rows: list[Link] = [(0, 1, f"/{page}", "(exit)", 1) for page in range(30)]

    assert set(flow(links(rows), top=None)["source"]) == {f"/{page}" for page in range(30)}
    assert flow(links(rows)).filter(pl.col("source") == "(other)")["sessions"].to_list() == [10]


def test_days_add_up_or_stay_apart_as_asked() -> None:
    two_days = links([(0, 1, "a", "(exit)", 3), (0, 1, "b", "(exit)", 1), (86_400_000, 1, "b", "(exit)", 4)])

    assert flow(two_days, top=1).select("source", "sessions", "share_of_all").rows() == [
        ("b", 5, 0.625),
        ("(other)", 3, 0.375),
    ]
    assert flow(two_days, top=1, by=("day_ms",)).select("day_ms", "source", "sessions", "share_of_all").rows() == [
        (0, "a", 3, 0.75),
        (0, "(other)", 1, 0.25),
        (86_400_000, "b", 4, 1.0),
    ]


def test_no_links_make_an_empty_chart() -> None:
    assert flow(links([])).is_empty()
    assert flow(links([]), by=("day_ms",)).columns[0] == "day_ms"
