"""What keeps a day from being recomputed: told with the cause, and the day and all others are as they were."""

from datetime import date, timedelta

import pytest
from pyspark.sql import SparkSession

from builders import NOON_MS, encoded, event, event_id
from clickstream.archive.table import location
from clickstream.backfill import job
from clickstream.backfill.catch_up import piece_of
from clickstream.backfill.compare import compare_policies
from clickstream.backfill.day import BackfillError
from clickstream.warehouse.retention import prune
from stream_shop import Shop, Start

DAY = date(2026, 6, 2)  # builders.event counts from noon of the day before
MIDNIGHT = 43_200
NEXT_MIDNIGHT = MIDNIGHT + 86_400
OVER_MIDNIGHT = [
    event(number, seconds, f"over-{midnight}")
    for midnight in (MIDNIGHT, NEXT_MIDNIGHT)
    for number, seconds in ((midnight, midnight - 60), (midnight + 1, midnight + 60))
]
TRAFFIC = [encoded(e) for e in (*OVER_MIDNIGHT, *(event(n, n * 3_600, f"user-{n % 5}") for n in range(60)))]


def test_a_piece_goes_no_further_than_asked() -> None:
    assert piece_of({0: 5, 1: 10}, {0: 8, 1: 30, 2: 4}, 10) == {0: 8, 1: 17, 2: 0}
    assert piece_of({0: 8, 1: 17, 2: 0}, {0: 8, 1: 30, 2: 4}, 100) == {0: 8, 1: 30, 2: 4}


@pytest.mark.timeout(420)
def test_days_that_retention_took_from(spark: SparkSession, shop: Shop) -> None:
    shop.produce(TRAFFIC)
    shop.stream()
    kept = shop.platform.model_copy(update={"retention_days": 2})
    assert prune(kept, False, DAY + timedelta(days=2))["partitions"] == 1
    stored = shop.tables()
    for day in (DAY - timedelta(days=1), DAY):
        for run in (job.backfill, compare_policies):
            with pytest.raises(BackfillError, match=f"{day} cannot be recomputed: retention keeps events since {DAY}"):
                run(spark, shop.platform, day)
    assert shop.tables() == stored
    assert shop.rows("select count(*) from backfill_runs") == [(0,)]
    assert job.changed_days(shop.platform, DAY + timedelta(days=9), 9) == [DAY + timedelta(days=1)]
    job.backfill(spark, shop.platform, DAY + timedelta(days=1))
    assert shop.differences(DAY + timedelta(days=1)) == {}
    assert shop.tables() == stored


@pytest.mark.timeout(420)
def test_events_that_are_not_what_was_accepted(
    spark: SparkSession, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.produce(TRAFFIC)
    shop.stream()
    job.backfill(spark, shop.platform, DAY)
    stored = shop.tables()

    copied = "insert into events select {} from events where event_id = %s"
    columns = [name for (name,) in shop.rows("select attname from pg_attribute where attrelid = 'events'::regclass"
                                             " and attnum > 0 and not attisdropped order by attnum")]  # fmt: skip
    shop.execute(copied.format(", ".join(columns)), event_id(20))
    with pytest.raises(BackfillError, match="27 events of 2026-06-02 are stored, but 26 were accepted"):
        job.backfill(spark, shop.platform, DAY)
    shop.execute("delete from events where ctid = (select max(ctid) from events where event_id = %s)", event_id(20))
    assert shop.tables() == stored

    swap = job._swap

    def late_swap(*arguments: object) -> dict[str, int]:
        shop.produce([encoded(event(900, MIDNIGHT + 30)), encoded(event(901, MIDNIGHT + 40))])
        shop.stream()
        # As if today's contract refused what the stream had accepted.
        shop.execute("update event_ids set event_date = %s where event_id = %s", DAY, event_id(1))
        shop.execute("update event_ids set kafka_offset = %s, partition = 0 where event_id = %s",
                     shop.applied[0] - 1, event_id(1))  # fmt: skip
        return swap(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(job, "_swap", late_swap)
    with pytest.raises(BackfillError, match=r"3 events of 2026-06-02 were accepted .* give 2 of them"):
        job.backfill(spark, shop.platform, DAY)
    assert shop.rows("select count(*) from backfill_runs where swapped_at is not null") == [(1,)]


@pytest.mark.timeout(420)
def test_a_neighbour_that_the_archive_has_not(spark: SparkSession, shop: Shop) -> None:
    """Without it, the session over midnight would become two."""
    shop.produce(TRAFFIC)
    shop.stream()
    job.archive(spark, shop.platform)
    stored = shop.tables()
    spark.sql(f"delete from delta.`{location(shop.platform)}` where event_ms = {NOON_MS + (MIDNIGHT - 60) * 1_000}")
    with pytest.raises(BackfillError, match=r"users at the day's borders have 1 accepted events .* give 0"):
        job.backfill(spark, shop.platform, DAY)
    assert shop.tables() == stored


@pytest.mark.timeout(580)
def test_a_bad_day_keeps_no_other_waiting(spark: SparkSession, shop: Shop, start_job: Start) -> None:
    shop.produce(TRAFFIC)
    shop.stream()
    job.archive(spark, shop.platform)
    bad = DAY - timedelta(days=1)
    spark.sql(f"delete from delta.`{location(shop.platform)}` where event_ms = {NOON_MS}")
    last = DAY + timedelta(days=1)
    assert job.changed_days(shop.platform, last, 9) == [bad, DAY]
    nightly = start_job("backfill.py", "--day", str(last), "--and-changed", "2")
    assert nightly.process.wait(240) == 1
    done = dict(shop.rows("select day, swapped_at is not null from backfill_runs order by run"))
    assert done == {last: True, bad: False, DAY: True}
    assert f"refused, see above: {bad}" in nightly.log.read_text()


@pytest.mark.timeout(420)
def test_days_whose_sessions_went_on(spark: SparkSession, shop: Shop) -> None:
    """A session that goes on in the next day changed its own day; a refused day comes behind the others."""
    shop.produce(TRAFFIC)
    shop.stream()
    week = DAY + timedelta(days=7)
    days = [DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)]
    for day in days:
        job.backfill(spark, shop.platform, day)
    assert job.changed_days(shop.platform, week, 9) == []
    shop.produce([encoded(event(900, NEXT_MIDNIGHT + 600, f"over-{NEXT_MIDNIGHT}"))])
    shop.stream()
    assert job.changed_days(shop.platform, week, 9) == days[1:]
    assert job.changed_days(shop.platform, days[2], 9) == days[1:2], "the later day is not over yet"
    shop.execute("insert into backfill_runs (topic, day, vector) values (%s, %s, '{}')", shop.platform.topic, days[1])
    assert job.changed_days(shop.platform, week, 9) == [days[2], days[1]]
    for day in days[1:]:
        job.backfill(spark, shop.platform, day)
        assert shop.differences(day) == {}
    assert job.changed_days(shop.platform, week, 9) == []
