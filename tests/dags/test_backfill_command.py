"""`airflow backfill create` on an Airflow that serves: scheduler, one-slot pool, retries, the real Spark jobs."""

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from airflow_server import ROOT, Serving, airflow
from clickstream.settings import Settings
from local.postgres import Postgres
from shop_days import DAY, OTHER_DAYS, visitors
from stream_shop import Shop, shop
from waiting import wait_until

__all__ = ["shop"]

DAG = "clickstream_backfill"
RUNS = f"/api/v2/dags/{DAG}/dagRuns"
DAYS = sorted([DAY, *OTHER_DAYS])
OF_DAY = f"{{0}} >= '{DAY}' and {{0}} < '{DAY + timedelta(days=1)}'"
SUMS = (
    f"select (select sum(events)::int from sessions where {OF_DAY.format('started_at')}),"
    f" (select sum(events)::int from traffic_minute where {OF_DAY.format('minute')})"
)
FOUND = (
    "select day, (select sum(n::int)::int from jsonb_each_text(differences) as d (t, n)) from backfill_runs"
    " where swapped_at is not null order by day, run"
)
# The swap replaces this table after those of SUMS.
LAST_TABLE = "lock table load_minute in access exclusive mode"
AT_LAST_TABLE = (
    "select count(*) from pg_locks inner join pg_stat_activity using (pid)"
    " where not granted and relation = 'load_minute'::regclass and application_name = 'clickstream-backfill'"
)


@pytest.fixture
def serving(
    platform: Settings, postgres: Postgres, spark_environment: dict[str, str], tmp_path: Path
) -> Iterator[Serving]:
    assert platform.home == ROOT
    clickstream = {name: value for name, value in os.environ.items() if name.startswith("CLICKSTREAM_")}
    (tmp_path / "airflow").mkdir()
    with airflow(tmp_path / "airflow", postgres, clickstream | spark_environment) as serving:
        wait_until(lambda: DAG in serving.api.dag_ids(), "the DAG")
        serving.api.unpause(DAG)
        # It owes a nightly run, which waits for its pool; the test is about others.
        wait_for(serving, lambda: serving.api.newest_state(DAG) is not None, "the nightly run")
        [nightly] = serving.api.call("GET", RUNS)["dag_runs"]
        serving.api.call("PATCH", f"{RUNS}/{quote(nightly['dag_run_id'])}", {"state": "success"})
        serving.api.ensure_pool("clickstream_batch", 1, "one at a time")
        yield serving


def create(serving: Serving, first: date, last: date) -> None:
    serving.command(
        "backfill", "create", "--dag-id", DAG, "--from-date", str(first), "--to-date", str(last),
        "--max-active-runs", "2", "--reprocess-behavior", "completed",
    )  # fmt: skip


def states(serving: Serving) -> set[str]:
    """Of all runs; asserts that none has failed."""
    found = {run["state"] for run in serving.api.call("GET", RUNS)["dag_runs"]}
    assert "failed" not in found
    return found


def wait_for(serving: Serving, condition: Callable[[], bool], what: str) -> None:
    """At once over when a run has failed. The API may be slow to answer beside Spark, and Spark to begin."""

    def asked() -> bool:
        with contextlib.suppress(TimeoutError):
            states(serving)
            return condition()
        return False

    wait_until(asked, what, 300)


def wait_for_its_end(serving: Serving) -> None:
    """Until Airflow takes the next command."""

    def over() -> bool:
        backfills = serving.api.call("GET", f"/api/v2/backfills?dag_id={DAG}")["backfills"]
        return all(backfill["completed_at"] for backfill in backfills)

    wait_for(serving, over, "the end of the backfill")


def driver(topic: str) -> psutil.Process:
    """The JVM of the backfill's job."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == "java" and process.environ().get("CLICKSTREAM_TOPIC") == topic:
                found.append(process)
    [one] = found
    return one


@pytest.mark.timeout(900)
def test_the_command_mends_through_a_kill_and_then_finds_nothing(serving: Serving, shop: Shop) -> None:
    shop.produce(visitors(seed=8))
    shop.stream()
    right, right_sums = shop.tables(), shop.rows(SUMS)

    damaged = shop.execute(f"update sessions set events = events + 1 where {OF_DAY.format('started_at')}")
    wrong, wrong_sums = shop.tables(), shop.rows(SUMS)
    with shop.watched(SUMS) as seen:
        with shop.held(LAST_TABLE):
            create(serving, DAY, DAY)
            wait_for(serving, lambda: shop.rows(AT_LAST_TABLE) == [(1,)], "the swap at its last tables")
            driver(shop.platform.topic).kill()
            wait_until(lambda: shop.rows(AT_LAST_TABLE) == [(0,)], "the end of what was killed")
        assert shop.tables() == wrong
        assert seen == set(wrong_sums)
        wait_for_its_end(serving)  # Airflow tries again
    assert seen == {*wrong_sums, *right_sums}
    assert shop.differences(DAY) == {"sessions": damaged}
    assert shop.tables() == right

    create(serving, DAYS[0], DAY)
    wait_for(serving, lambda: len(shop.rows(FOUND)) == 3 and states(serving) == {"success"}, "the end of both runs")
    assert shop.rows(FOUND) == [(DAYS[0], 0), (DAY, damaged), (DAY, 0)]
    assert shop.tables() == right
