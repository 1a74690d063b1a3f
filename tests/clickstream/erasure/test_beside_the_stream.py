"""The real jobs side by side: a stream that goes on, the erasure as Airflow submits it, the user's log replayed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from builders import NOON_MS, encoded, event, event_id
from clickstream.archive.job import archive
from clickstream.backfill.job import backfill
from clickstream.cli import app
from clickstream.settings import Settings
from local.postgres import Postgres
from sql_warehouse import Warehouse
from stream_shop import Shop, Start
from traces import Traces
from waiting import wait_until

VICTIM = "zo\u00eb-7f3a"
USERS = (VICTIM, "user-1", "user-3")  # the key of the first is the least
SUMS = "select sum(read)::int, sum(accepted)::int, sum(duplicate)::int, sum(rejected)::int from stream_slices"


def visit(first: int, count: int, began: float) -> list[bytes]:
    """Views of all users in turn, a minute between them, from `began` (seconds after noon of 2026-06-01)."""
    kinds = ("page_view", "view_item")
    return [encoded(event(first + n, began + n * 60, USERS[n % len(USERS)], kinds[n % 2])) for n in range(count)]


def replay(log: Path) -> tuple[int, str]:
    """The exit code and what was said."""
    result = CliRunner().invoke(app, ["replay", str(log)])
    return result.exit_code, result.output


@contextmanager
def taking_nothing(platform: Settings) -> Iterator[None]:
    """A broker that is there, but takes no record of the topic."""
    set_limit(platform, 1)
    yield
    set_limit(platform, 1_048_588)


def set_limit(platform: Settings, size: int) -> None:
    """The largest batch that the topic takes, in bytes."""
    admin = AdminClient({"bootstrap.servers": platform.kafka_bootstrap})
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    topic = ConfigResource(ResourceType.TOPIC, platform.topic, incremental_configs=[entry])
    admin.incremental_alter_configs([topic])[topic].result(30)
    wait_until(
        lambda: admin.describe_configs([topic])[topic].result(10)["max.message.bytes"].value == str(size), "the limit"
    )


@pytest.mark.timeout(590)
def test_a_search_everywhere_finds_nothing(
    spark: SparkSession, shop: Shop, start_job: Start, postgres: Postgres, tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:  # fmt: skip
    platform, models = shop.platform, Warehouse(shop.dsn, shop.writer)
    places = (tmp_path, postgres.data.parent / "postgres.log")
    spool = platform.state_dir / "spool" / platform.topic
    logs = tmp_path_factory.mktemp("logs")
    first, second = logs / "first.jsonl", logs / "second.jsonl"
    first.write_bytes(b"\n".join(visit(0, 90, 0)))
    second.write_bytes(b"\n".join(visit(90, 30, 86_400)))
    live = visit(120, 30, time.time() - NOON_MS / 1_000 - 1_800)
    theirs = Traces(VICTIM, tuple(event_id(n) for n in range(0, 150, 3)))

    stream = start_job("stream.py")
    assert replay(first)[0] == 0
    with taking_nothing(platform):
        assert replay(second)[0] == 1
    shop.produce(live)
    wait_until(lambda: shop.rows(SUMS) == [(120, 120, 0, 0)], "the first records", alive=stream.running)
    models.build()
    archive(spark, platform)
    sessions = shop.rows("select session_id::text from sessions where user_id = %s", VICTIM)
    theirs = Traces(VICTIM, (*theirs.ids, *(found for (found,) in sessions)))
    assert theirs.everywhere(platform, *places) >= {"events", "funnel_users", "user_weeks", ".parquet", ".spool"}

    erasing = start_job("erase.py", "--erase", environment={"CLICKSTREAM_ERASE_USER": VICTIM})
    others = [value for n, value in enumerate(visit(150, 9, 0)) if n % len(USERS)]
    shop.produce(others)  # the stream goes on meanwhile
    assert erasing.process.wait(240) == 0, erasing.log.read_text()[-3_000:]
    assert len(list(spool.glob("*.spool"))) == 1  # the others' records
    wait_until(lambda: shop.rows(SUMS) == [(126, 126, 0, 0)], "what came meanwhile", alive=stream.running)
    models.build("after")
    published(platform)
    assert theirs.everywhere(platform, *places) == set()
    assert shop.rows("select sum(events)::int from traffic_minute") == [(86,)]

    # Again: the user's log by `replay`, with what the spool had of the others, and by a producer that knows nothing.
    assert "left out 30 of erased users" in replay(first)[1]
    assert list(spool.iterdir()) == []
    shop.produce([*live, *visit(90, 30, 86_400)])
    wait_until(lambda: shop.rows(SUMS) == [(266, 146, 100, 20)], "the second time", alive=stream.running)
    archive(spark, platform)
    for (day,) in shop.rows("select distinct (event_time at time zone 'utc')::date from events"):
        backfill(spark, platform, day)
        assert shop.differences(day) == {}
    models.build("again")
    published(platform)
    assert theirs.everywhere(platform, *places) == set()
    with taking_nothing(platform):
        code, said = replay(second)
        assert (code, "left out 10 of erased users" in said, len(list(spool.iterdir()))) == (1, True, 1)
    assert theirs.everywhere(platform, *places) == set()


def published(platform: Settings) -> None:
    """Wait until the stream has written all of Redis anew."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    with redis.Redis.from_url(platform.redis_url.get_secret_value(), decode_responses=True) as client:
        wait_until(lambda: (client.get("live:as_of") or "") > now, "live figures of now")
