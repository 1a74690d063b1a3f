"""The erasure's transaction beside those of the models and of the stream."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from clickstream.erasure.tombstones import TombstoneError, erased_users
from clickstream.erasure.warehouse import bury, erase_rows
from clickstream.settings import settings
from sql_warehouse import TOPIC, Event, Warehouse
from waiting import wait_until

pytestmark = pytest.mark.usefixtures("hash_key")

ANN, BOB = "ann-1", "bob-1"
WAITING = "select from pg_stat_activity where application_name = 'erasure' and wait_event = 'advisory'"


def erase(warehouse: Warehouse, user: str) -> None:
    with psycopg.connect(warehouse.dsn, application_name="erasure") as connection:
        erase_rows(connection.cursor(), user)


def visits(days: dict[str, list[str]]) -> list[Event]:
    return [Event.parse(f"{user} v {day} 10:00:00") for user, found in days.items() for day in found]


@pytest.mark.parametrize("model", ["user_weeks", "funnel_users", "visits"])
def test_a_build_that_has_read_the_user_is_waited_for(warehouse: Warehouse, model: str) -> None:
    warehouse.store(visits({ANN: ["05"], BOB: ["05"]}))
    warehouse.run("scope/claim.sql")
    with ThreadPoolExecutor(1) as pool:
        with psycopg.connect(warehouse.dsn) as build:
            warehouse.run(f"{model}/query.sql", within=build)
            assert len(build.execute(f"select from clickstream.{model}").fetchall()) == 2
            erasing = pool.submit(erase, warehouse, ANN)
            wait_until(lambda: warehouse.rows(WAITING) or erasing.done(), "the erasure's wait")
            assert not erasing.done()
        erasing.result(60)
    assert warehouse.rows(f"select user_id from clickstream.{model}") == [(BOB,)]
    warehouse.run(f"{model}/query.sql")
    assert warehouse.rows(f"select user_id from clickstream.{model}") == [(BOB,)]


def test_what_a_run_has_claimed_is_counted_again_by_the_next(warehouse: Warehouse) -> None:
    warehouse.store(visits({ANN: ["05", "12"], BOB: ["05"]}))
    warehouse.build("first")
    warehouse.store(visits({BOB: ["12"]}))
    for path in ("scope/claim.sql", *(f"{name}/query.sql" for name in ("funnel_users", "user_weeks"))):
        warehouse.run(path, "second")
    claimed = "select day from clickstream.funnel_days union all select week from clickstream.retention_weeks"
    assert len(warehouse.rows(claimed)) == 2
    for model in ("funnel_steps", "retention_weekly"):
        warehouse.run(f"{model}/query.sql", "second")
    erase(warehouse, ANN)
    warehouse.run("scope/release.sql", "second")
    assert len(warehouse.rows(claimed)) == 4
    warehouse.build("third")
    assert {users for (users,) in warehouse.rows("select users from clickstream.funnel_steps where users > 0")} == {1}
    assert warehouse.rows("select users, cohort_users from clickstream.retention_weekly") == [(1, 1), (1, 1)]
    assert warehouse.rows(claimed) == []


def test_another_key_than_the_tombstones_is_refused(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(warehouse.dsn, autocommit=True) as connection:
        for user in (ANN, BOB):
            bury(connection, TOPIC, user)
        erased = erased_users(connection.cursor())
        assert [erased.cover(user) for user in (ANN, BOB, "cy")] == [True, True, False]
        for key, told in (("other", "is not the key"), ("", "is empty")):
            monkeypatch.setenv("CLICKSTREAM_USER_HASH_KEY", key)
            settings.cache_clear()
            with pytest.raises(TombstoneError, match=told):
                erased_users(connection.cursor())
        with pytest.raises(TombstoneError, match=told):
            warehouse.store(visits({ANN: ["06"]}))
    assert warehouse.rows("select from clickstream.events") == []
