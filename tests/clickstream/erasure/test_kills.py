"""An erasure that was killed, or that finds a day that cannot be recomputed, is ended by the next."""

from datetime import date

import pytest
from pyspark.sql import SparkSession

from builders import encoded, event, event_id
from clickstream.erasure.job import erase
from stream_shop import Shop, Start
from waiting import wait_until

VICTIM = "victim-7f3a"
DAYS = [date(2026, 6, 1), date(2026, 6, 2)]
COUNTED = "lock table load_minute in access exclusive mode"
WAITING = """
select from pg_stat_activity where application_name = 'clickstream-backfill' and wait_event_type = 'Lock'
"""
OWED = "select days, finished_at is not null from erasures order by erasure"
EVENTS = "select minute::date, sum(events)::int from traffic_minute group by 1 order by 1"
# An event that was accepted, but that the archive cannot give back.
LOST = "insert into event_ids (event_id, event_date, partition, kafka_offset, content_hash) values (%s, %s, 0, 0, 0)"


@pytest.mark.timeout(580)
def test_the_next_run_ends_what_was_left(spark: SparkSession, shop: Shop, start_job: Start) -> None:
    shop.produce([encoded(event(n, n * 1_800, VICTIM if n % 2 else f"user-{n % 6}")) for n in range(48)])
    shop.stream()
    both, others = ([(day, events) for day in DAYS] for events in (24, 12))
    environment = {"CLICKSTREAM_ERASE_USER": VICTIM}
    with shop.held(COUNTED):
        job = start_job("erase.py", "--erase", environment=environment)
        wait_until(lambda: shop.rows(WAITING), "the swap of the first day", alive=job.running)
        job.close()
    wait_until(lambda: not shop.rows(WAITING), "the end of what was killed")
    assert shop.rows("select from events where user_id = %s", VICTIM) == []
    assert shop.rows(EVENTS) == both
    assert shop.rows(OWED) == [(DAYS, False)]

    shop.execute(LOST, event_id(999), DAYS[0])
    job = start_job("erase.py", "--erase", environment=environment)
    assert job.process.wait(180) == 1
    assert f"1 of 2 days still count them: mend the cause and run it again. {DAYS[0]}: the archive cannot give" in (
        job.log.read_text()
    )
    assert shop.rows(EVENTS) == [both[0], others[1]]
    assert shop.rows(OWED) == [(DAYS[:1], False), ([], False)]

    shop.execute("delete from event_ids where event_id = %s", event_id(999))
    assert erase(spark, shop.platform, VICTIM, dry_run=False) == {"spool": 0, "days": 1, "archive": 0}
    assert shop.rows(EVENTS) == others
    assert shop.rows(OWED) == [([], True)] * 3
    assert shop.rows("select from backfill_diffs") == []
