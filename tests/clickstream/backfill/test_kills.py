"""The job is killed by SIGKILL at its worst moments: nothing has changed then, and the next run ends what it began."""

from pathlib import Path

import pytest

from builders import encoded, event
from clickstream.archive.table import location
from stream_shop import Shop, Start
from waiting import wait_until

DAY = "2026-06-01"
LEDGER = "select from stream_offsets for update"
LAST_TABLES = "lock table load_minute in access exclusive mode"
CONNECTED = "select count(*) from pg_stat_activity where application_name = 'clickstream-backfill'"
WAITING = f"{CONNECTED} and wait_event_type = 'Lock'"
SUMS = "select (select sum(events)::int from sessions), (select sum(events)::int from traffic_minute)"


@pytest.mark.timeout(600)
def test_killed_at_three_points(shop: Shop, start_job: Start) -> None:
    shop.produce([encoded(event(n, 7 * n, f"user-{n % 50}", page_url=f"https://shop.example/p/{n % 9}",
                                properties={"page_load_ms": n})) for n in range(3_000)])  # fmt: skip
    shop.stream()
    right = shop.tables()
    shop.execute("update sessions set events = events + 1")
    shop.execute("delete from traffic_minute where event_type = 'page_view'")
    shop.execute("update events set bot = 'declared'")
    wrong = shop.tables()
    sums = shop.rows(SUMS)

    job = start_job("backfill.py", "--day", DAY)
    log = Path(location(shop.platform)) / "_delta_log"
    wait_until(lambda: log.is_dir() and list(log.glob("*.json")), "a commit of the archive", alive=job.running)
    job.close()
    assert shop.tables() == wrong

    with shop.held(LEDGER):  # so that it cannot get to its end
        job = start_job("backfill.py", "--day", DAY)
        wait_until(lambda: shop.rows("select 1 from backfill_events limit 1"), "staged events", alive=job.running)
        job.close()
    assert shop.tables() == wrong

    with shop.watched(SUMS) as seen:
        with shop.held(LAST_TABLES):
            job = start_job("backfill.py", "--day", DAY)
            wait_until(lambda: shop.rows(WAITING) == [(1,)], "the swap at its last tables", alive=job.running)
            job.close()
        wait_until(lambda: shop.rows(CONNECTED) == [(0,)], "the end of what was killed")
        assert shop.tables() == wrong
        assert seen == set(sums)

        job = start_job("backfill.py", "--day", DAY)
        assert job.process.wait(180) == 0
        assert shop.tables() == right
        wait_until(lambda: len(seen) == 2, "both sums")
    assert seen == {*sums, (3_000, 3_000)}
    assert shop.differences(DAY) == {
        "events": 3_000, "sessions": len(right["sessions"]), "traffic_minute": len(right["traffic_minute"])
    }  # fmt: skip

    job = start_job("backfill.py", "--day", DAY)
    assert job.process.wait(180) == 0
    assert shop.differences(DAY) == {}
    assert shop.tables() == right
    assert shop.rows("select count(*) from pg_class where relname ~ '^backfill_events_'") == [(0,)]
