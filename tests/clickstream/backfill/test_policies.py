"""Ways to cut sessions, each over visits that only it sees differently."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from pyspark.sql import SparkSession

from builders import encoded, event, piece
from clickstream.backfill.compare import compare_policies
from clickstream.backfill.day import Day
from clickstream.backfill.policies import MEASURES, added, measure
from clickstream.slice import decode_slice
from stream_shop import Shop

DAY = date(2026, 6, 2)
MIDNIGHT = 43_200  # in seconds of builders.event
MINUTE = 60


def visits(user: str, first: int, *minutes: float, **pages: str) -> list[dict[str, Any]]:
    """Page views of a user, `minutes` after the day's beginning; `pages` by number of the visit."""
    shop = "https://shop.example/"
    return [
        event(first + n, MIDNIGHT + minute * MINUTE, user, page_url=pages.get(f"p{n}", shop))
        for n, minute in enumerate(minutes)
    ]


STORY = [
    *visits("pauses", 100, 600, 620, 660),  # 20 minutes, then 40
    *visits("late", 200, -10, 10, 15),  # began the day before
    *visits("tagged", 300, 700, 705, 710, 715, p1="https://shop.example/?utm_source=news&utm_medium=email",
            p3="https://shop.example/?utm_source=news&utm_medium=cpc"),
    *visits("over", 400, 1_430, 1_450),  # goes on after the day
]  # fmt: skip


def by_policy(measured: pl.DataFrame, column: str) -> dict[str, Any]:
    return dict(measured.select("policy", column).iter_rows())


def test_what_each_policy_makes_of_a_day() -> None:
    events = decode_slice(piece("t", STORY, kafka_ms=1_790_000_000_000).records, 300_000).events
    measured = measure(events, Day(DAY, 1_800_000))
    assert by_policy(measured, "sessions") == {
        "gap_15": 3 + 1 + 1 + 1,  # "late" and "over" begin anew after 20 minutes; the latter on the next day
        "gap_30": 2 + 0 + 1 + 1,
        "gap_60": 1 + 0 + 1 + 1,
        "midnight": 2 + 1 + 1 + 1,
        "campaign": 2 + 0 + 2 + 1,  # the first tag after direct is no change, the second is
    }
    assert by_policy(measured, "users") == {"gap_15": 4, "gap_30": 3, "gap_60": 3, "midnight": 4, "campaign": 3}
    assert by_policy(measured, "seconds")["gap_60"] == (60 + 15 + 20) * MINUTE
    halves = [
        measure(events.filter(part), Day(DAY, 1_800_000)) for part in (pl.col("user_id") < "o", pl.col("user_id") > "o")
    ]
    assert added(halves).sort("policy").equals(measured.sort("policy"))


@pytest.mark.timeout(300)
def test_the_table_of_a_day(spark: SparkSession, shop: Shop) -> None:
    shop.produce([encoded(document) for document in [*STORY, *STORY[:3]]])
    shop.stream()
    before = shop.tables()
    measured = compare_policies(spark, shop.platform, DAY)
    assert compare_policies(spark, shop.platform, DAY).sort("policy").equals(measured.sort("policy"))
    stored = shop.rows(f"select {', '.join(MEASURES)} from session_policies where day = %s order by policy", DAY)
    assert stored == measured.sort("policy").rows()
    [(as_streamed,)] = shop.rows(
        "select count(*) from sessions where started_at >= '2026-06-02' and started_at < '2026-06-03'"
    )
    assert by_policy(measured, "sessions")["gap_30"] == as_streamed == 4
    assert shop.tables() == before
