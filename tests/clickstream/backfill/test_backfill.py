"""A day recomputed from the archive equals what the stream wrote, whatever order its events came in."""

from datetime import UTC, date, datetime, timedelta

import pytest
from pyspark.sql import SparkSession

from builders import encoded, event
from clickstream.archive.table import location
from clickstream.backfill import catch_up, job
from clickstream.backfill.day import BackfillError
from shop_days import DAY, MIDNIGHT, OTHER_DAYS, visitors
from stream_shop import Shop


@pytest.mark.timeout(420)
def test_zero_differences_and_damage_is_mended(spark: SparkSession, shop: Shop) -> None:
    shop.produce(visitors(seed=5))
    shop.stream()
    stored = shop.tables()
    assert len(stored["events"]) > 4_000
    for day in (DAY, *OTHER_DAYS):
        job.backfill(spark, shop.platform, day)
        assert shop.differences(day) == {}
    assert shop.tables() == stored
    assert shop.rows("select count(*) from backfill_diffs") == [(0,)]
    assert sum(n for (n,) in shop.rows("select events from backfill_runs")) == len(stored["events"])
    assert sum(n for (n,) in shop.rows("select sessions from backfill_runs")) == len(stored["sessions"])
    assert shop.rows("select to_regclass('backfill_sessions_1')") == [(None,)]

    of_day = "started_at >= '2026-06-02' and started_at < '2026-06-03'"
    assert shop.execute("update sessions set purchases = purchases + 1, converted = true where session_id ="
                        f" (select session_id from sessions where {of_day} limit 1)") == 1  # fmt: skip
    assert shop.execute("delete from sessions where session_id = (select session_id from sessions where"
                        f" {of_day} and purchases = 0 limit 1)") == 1  # fmt: skip
    shop.execute("update traffic_minute set events = events + 1 where minute ="
                 " (select min(minute) from traffic_minute where minute >= '2026-06-02')")  # fmt: skip
    shop.execute("insert into page_minute values ('2026-06-02 10:00', '/never', false, 3, 'Other')")
    assert shop.execute("update events set bot = 'declared' where event_id ="
                        " (select event_id from events where event_time >= '2026-06-02' limit 1)") == 1  # fmt: skip
    shop.execute("update sessions set events = events + 1 where started_at < '2026-06-02'")
    other_day = shop.rows("select t::text from sessions as t where started_at < '2026-06-02' order by 1")
    shop.execute("truncate changed_hours, model_changes")
    job.backfill(spark, shop.platform, DAY)
    assert shop.rows("select count(distinct hour), min(hour) from changed_hours") == [
        (24, datetime(2026, 6, 2, tzinfo=UTC))
    ]
    assert 1 <= len(shop.rows("select distinct user_id from model_changes")) <= 3
    found = shop.differences(DAY)
    assert found.pop("traffic_minute") >= 1
    assert found == {"events": 1, "sessions": 2, "page_minute": 1}
    assert shop.rows("select key ->> 'page_path', stored ->> 'views', recomputed from backfill_diffs"
                     " where table_name = 'page_minute'") == [("/never", "3", None)]  # fmt: skip
    assert shop.rows("select t::text from sessions as t where started_at < '2026-06-02' order by 1") == other_day
    job.backfill(spark, shop.platform, DAY - timedelta(days=1))
    assert shop.tables() == stored


@pytest.mark.timeout(420)
def test_while_the_stream_writes(spark: SparkSession, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the recompute and the swap, events come for every part of the day; they are added in pieces."""
    monkeypatch.setattr(catch_up, "_PIECE_RECORDS", 700)
    values = visitors(seed=6)
    half = len(values) // 2
    shop.produce(values[:half])
    shop.stream()
    swap = job._swap

    def late_swap(*arguments: object) -> dict[str, int]:
        shop.produce(values[half:])
        shop.stream()
        return swap(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(job, "_swap", late_swap)
    job.backfill(spark, shop.platform, DAY)
    assert shop.differences(DAY) == {}
    monkeypatch.setattr(job, "_swap", swap)
    assert job.changed_days(shop.platform, DAY + timedelta(days=9), 9) == sorted([DAY, *OTHER_DAYS])
    stored = shop.tables()
    job.backfill(spark, shop.platform, DAY)
    assert shop.differences(DAY) == {}
    assert shop.tables() == stored
    assert job.changed_days(shop.platform, DAY + timedelta(days=9), 9) == OTHER_DAYS


@pytest.mark.timeout(420)
def test_what_the_archive_has_not_is_refused(spark: SparkSession, shop: Shop) -> None:
    shop.produce([encoded(event(number, MIDNIGHT + number)) for number in range(20)])
    shop.stream()
    job.backfill(spark, shop.platform, DAY)
    stored = shop.tables()
    spark.sql(f"delete from delta.`{location(shop.platform)}` where offset in (3, 4) and partition = 1")
    assert shop.execute("insert into page_minute values ('2026-05-01 10:00', '/never', false, 3, 'Other')") == 1
    job.backfill(spark, shop.platform, date(2026, 5, 1))  # a day without events
    assert shop.differences(date(2026, 5, 1)) == {"page_minute": 1}
    assert shop.tables() == stored
    with pytest.raises(BackfillError, match="20 events were accepted, it has 18; missing: partition 1: 2 between"):
        job.backfill(spark, shop.platform, DAY)
    assert shop.tables() == stored
