"""`airflow backfill create` on an Airflow that serves: scheduler, pool, retries, the real Spark jobs."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import psycopg
import pytest

from clickstream.archive.table import location
from clickstream.settings import Settings
from local.postgres import Postgres
from local_airflow import ROOT, LocalAirflow, local_airflow
from shop_days import DAY, OTHER_DAYS, visitors
from stream_shop import Shop, shop
from waiting import wait_until

__all__ = ["shop"]

DAYS = sorted([DAY, *OTHER_DAYS])
SWAPPED = "select count(*) from backfill_runs where swapped_at is not null"
FOUND = (
    "select day, (select sum(n::int) from jsonb_each_text(differences) as d (t, n)) from backfill_runs where run > %s"
)
AT_LOAD_MINUTE = (
    "select count(*) from pg_locks inner join pg_stat_activity using (pid)"
    " where not granted and relation = 'load_minute'::regclass and application_name = 'clickstream-backfill'"
)


@pytest.fixture
def airflow(platform: Settings, postgres: Postgres, spark_jars: Path, tmp_path: Path) -> Iterator[LocalAirflow]:
    assert platform.home == ROOT
    with local_airflow(tmp_path / "airflow", postgres, spark_jars) as airflow:
        airflow.api.ensure_pool("clickstream_batch", 1, "one at a time")
        wait_until(lambda: {"clickstream_archive", "clickstream_backfill"} <= airflow.api.dag_ids(), "the DAGs")
        yield airflow


def swapped(shop: Shop) -> int:
    [(runs,)] = shop.rows(SWAPPED)
    return int(runs)


def create(airflow: LocalAirflow, first: date, last: date) -> None:
    airflow.command(
        "backfill", "create", "--dag-id", "clickstream_backfill", "--from-date", str(first), "--to-date", str(last),
        "--max-active-runs", "2", "--reprocess-behavior", "completed",
    )  # fmt: skip


def wait_for_its_end(postgres: Postgres) -> None:
    """Until all runs are over, and Airflow takes the next command."""

    def unfinished() -> int:
        with psycopg.connect(postgres.admin_dsn("airflow")) as connection:
            return connection.execute("select id from backfill where completed_at is null").rowcount

    wait_until(lambda: not unfinished(), "the end of all runs", 400)


@pytest.mark.timeout(1_200)
def test_the_command_finds_nothing_and_survives_a_kill(airflow: LocalAirflow, shop: Shop, postgres: Postgres) -> None:
    shop.produce(visitors(seed=8))
    shop.stream()
    right = shop.tables()

    airflow.api.unpause("clickstream_archive")  # which owes its last run
    wait_until(lambda: airflow.api.newest_state("clickstream_archive") == "success", "the archive", 240)
    assert list((Path(location(shop.platform)) / "_delta_log").glob("*.json"))
    airflow.api.unpause("clickstream_backfill")  # so does this: of yesterday, and of the days that changed
    wait_until(lambda: airflow.api.newest_state("clickstream_backfill") == "success", "the nightly run", 240)
    nights = shop.rows("select day, events > 1000 from backfill_runs order by run")
    assert nights[1:4] == [(day, True) for day in DAYS]
    assert shop.rows("select count(*) from backfill_diffs") == [(0,)]
    assert shop.tables() == right

    done = swapped(shop)
    create(airflow, DAYS[0], DAY)
    wait_for_its_end(postgres)
    assert sorted(shop.rows(FOUND, len(nights))) == [(DAYS[0], 0), (DAY, 0)]
    assert shop.tables() == right

    of_day = f"started_at >= '{DAY}' and started_at < '{DAY + timedelta(days=1)}'"
    damaged = shop.execute(f"update sessions set events = events + 1 where {of_day}")
    wrong = shop.tables()
    with shop.held("lock table load_minute in access exclusive mode"):
        create(airflow, DAY, DAY)
        wait_until(lambda: shop.rows(AT_LOAD_MINUTE) == [(1,)], "the swap at its last tables", 240)
        [driver] = airflow.drivers("backfill.py")
        driver.kill()
        wait_until(lambda: shop.rows(AT_LOAD_MINUTE) == [(0,)], "the end of what was killed")
    assert shop.tables() == wrong
    wait_for_its_end(postgres)
    assert swapped(shop) == done + 3, "Airflow tried again"
    assert shop.differences(DAY) == {"sessions": damaged}
    assert shop.tables() == right

    create(airflow, DAY, DAY)
    wait_for_its_end(postgres)
    assert swapped(shop) == done + 4
    assert shop.differences(DAY) == {}
    assert shop.tables() == right
