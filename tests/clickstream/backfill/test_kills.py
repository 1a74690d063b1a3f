"""The job is killed by SIGKILL at its worst moments: nothing has changed then, and the next run ends what it began."""

from pathlib import Path

import pytest

from clickstream.archive.table import location
from shop_days import DAY, visitors
from stream_shop import Shop, Start
from waiting import wait_until

LEDGER = "select from stream_offsets for update"
LAST_TABLES = "lock table load_minute in access exclusive mode"
CONNECTED = "select count(*) from pg_stat_activity where application_name = 'clickstream-backfill'"
WAITING = f"{CONNECTED} and wait_event_type = 'Lock'"
OF_DAY = "{0} >= '2026-06-02' and {0} < '2026-06-03'"
SUMS = (
    f"select (select sum(events)::int from sessions where {OF_DAY.format('started_at')}),"
    f" (select sum(events)::int from traffic_minute where {OF_DAY.format('minute')})"
)


@pytest.mark.timeout(600)
def test_killed_at_three_points(shop: Shop, start_job: Start) -> None:
    shop.produce(visitors(seed=7))
    shop.stream()
    right, right_sums = shop.tables(), shop.rows(SUMS)
    damaged = {
        "events": shop.execute(
            f"update events set bot = 'declared' where bot is null and {OF_DAY.format('event_time')}"
        ),
        "sessions": shop.execute(f"update sessions set events = events + 1 where {OF_DAY.format('started_at')}"),
        "traffic_minute": shop.execute(
            f"delete from traffic_minute where event_type = 'page_view' and {OF_DAY.format('minute')}"
        ),
    }
    assert min(damaged.values()) > 30
    wrong, wrong_sums = shop.tables(), shop.rows(SUMS)

    job = start_job("backfill.py", "--day", str(DAY))
    log = Path(location(shop.platform)) / "_delta_log"
    wait_until(lambda: log.is_dir() and list(log.glob("*.json")), "a commit of the archive", alive=job.running)
    job.close()
    assert shop.tables() == wrong

    with shop.held(LEDGER):  # so that it cannot get to its end
        job = start_job("backfill.py", "--day", str(DAY))
        wait_until(lambda: shop.rows("select 1 from backfill_events limit 1"), "staged events", alive=job.running)
        job.close()
    assert shop.tables() == wrong

    with shop.watched(SUMS) as seen:
        with shop.held(LAST_TABLES):
            job = start_job("backfill.py", "--day", str(DAY))
            wait_until(lambda: shop.rows(WAITING) == [(1,)], "the swap at its last tables", alive=job.running)
            job.close()
        wait_until(lambda: shop.rows(CONNECTED) == [(0,)], "the end of what was killed")
        assert shop.tables() == wrong
        assert seen == set(wrong_sums)

        job = start_job("backfill.py", "--day", str(DAY))
        assert job.process.wait(180) == 0
        assert shop.tables() == right
        wait_until(lambda: len(seen) == 2, "both sums")
    assert seen == {*wrong_sums, *right_sums}
    assert shop.differences(DAY) == damaged

    job = start_job("backfill.py", "--day", str(DAY))
    assert job.process.wait(180) == 0
    assert shop.differences(DAY) == {}
    assert shop.tables() == right
    assert shop.rows("select count(*) from pg_class where relname ~ '^backfill_events_'") == [(0,)]
