"""The doctor against real servers: what it says of each fault, and that one part away does not stop the others."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from confluent_kafka import Producer
from pydantic import SecretStr
from typer.testing import CliRunner

from clickstream import doctor
from clickstream.cli import app
from clickstream.doctor import broker
from clickstream.doctor.finding import Finding
from clickstream.doctor.stream import Scheduled
from clickstream.settings import Settings, settings
from clickstream.stream.topic import topic_state
from clickstream.warehouse import ledger
from local.kafka import Kafka
from local.server import free_port, running
from waiting import wait_until


class World:
    """A platform on which a driver streams, as the servers see it."""

    def __init__(self, platform: Settings) -> None:
        self.platform = platform
        self.connection = psycopg.connect(platform.postgres_writer.get_secret_value(), autocommit=True)
        self.redis = redis.Redis.from_url(platform.redis_url.get_secret_value())

    def stream(self, offset: int = 0, delay_seconds: float = 0.2, batch_ms: float = 300) -> None:
        """A lease that was just renewed, a ledger, a slice applied now, and what the driver publishes."""
        state = topic_state(self.platform.kafka_bootstrap, self.platform.topic)
        ledger.starting_offsets(self.connection, state)
        ledger.acquire(self.connection, "test")
        self.connection.execute("update clickstream.stream_offsets set next_offset = %s", [offset])
        self.connection.execute(
            "insert into clickstream.stream_slices (topic, partition, first_offset, next_offset, epoch, read, accepted,"
            " duplicate, rejected, late, history, first_kafka_time, last_kafka_time, seconds)"
            " values (%s, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, now(), now() - make_interval(secs => %s), 0.1)",
            [self.platform.topic, delay_seconds],
        )
        self.redis.set("live:as_of", datetime.now(UTC).isoformat())
        self.redis.hset("live:stages", mapping={"store": batch_ms - 60, "spark": 60})
        self.redis.hset("live:performance", "batch_ms", batch_ms)

    def check(self, name: str = "rows", passed: bool = True, minutes_ago: int = 1) -> None:
        self.connection.execute(
            "insert into clickstream.check_results values (%s, now(), 'fail', %s, '1', '1',"
            " now() - make_interval(mins => %s))",
            [name, passed, minutes_ago],
        )

    def findings(self, **changed: Any) -> dict[str, Finding]:
        """By part; the last where a part has several."""
        found = doctor.examine(self.platform.model_copy(update=changed))
        return {finding.part: finding for finding in found}

    def faults(self, **changed: Any) -> dict[str, Finding]:
        """Without those of this machine, which the test does not govern."""
        found = self.findings(**changed)
        return {part: finding for part, finding in found.items() if finding.fault and part not in ("disk", "memory")}

    def close(self) -> None:
        self.connection.close()
        self.redis.close()


@pytest.fixture
def world(platform: Settings) -> Any:
    made = World(platform)
    yield made
    made.close()


def test_a_platform_that_is_well(world: World) -> None:
    world.stream()
    world.check()
    assert world.faults() == {}
    found = world.findings()
    topic = f"topic {world.platform.topic}"
    assert list(found) == [
        "kafka", topic, "postgres", "migrations", "dashboards", "redis", "stream", "disk", "memory", "clock",
    ]  # fmt: skip
    assert found[topic].found == "2 partitions, 0 records kept"
    assert found["stream"].found.startswith("runs, 0 records wait, ")
    assert found["clock"].found == "agrees with PostgreSQL, Redis"


def test_nobody_streams(world: World) -> None:
    faults = world.faults()
    assert faults["stream"].found == "does not run: no driver has taken the lease yet"
    assert faults["redis"].found == "answers, but is silent: nothing published within 60 s"
    world.stream()
    world.connection.execute("update clickstream.stream_lease set heartbeat_at = now() - interval '5 minutes'")
    assert world.faults()["stream"].found.startswith("does not run: epoch 1 was last heard 30")


def test_a_paused_dag_is_the_reason(world: World) -> None:
    found = doctor.examine(world.platform, lambda: Scheduled(paused=True, state="failed"))
    stream = next(finding for finding in found if finding.part == "stream")
    assert stream.found.endswith("the DAG clickstream_stream is paused")
    assert stream.remedy == "airflow dags unpause clickstream_stream"
    found = doctor.examine(world.platform, lambda: Scheduled(paused=False, state="failed"))
    assert next(finding for finding in found if finding.part == "stream").found.endswith("its newest run is failed")


def test_an_airflow_that_does_not_answer(world: World) -> None:
    def ask() -> Scheduled:
        raise ConnectionRefusedError("refused")

    found = {finding.part: finding for finding in doctor.examine(world.platform, ask)}
    assert found["airflow"].found == "away: ConnectionRefusedError: refused"
    assert not found["postgres"].fault


def test_a_delayed_stream_names_its_slowest_stage(world: World) -> None:
    world.stream(delay_seconds=45, batch_ms=6_000)
    stream = world.faults()["stream"]
    assert stream.found.startswith("delayed by 45.")
    assert "most of it `store` (5,940 ms)" in stream.found
    assert stream.remedy.startswith("PostgreSQL's disk")


def test_a_lag_that_grows(world: World) -> None:
    world.stream(delay_seconds=45)
    world.connection.execute(
        "insert into clickstream.stream_slices (topic, partition, first_offset, next_offset, epoch, read, accepted,"
        " duplicate, rejected, late, history, first_kafka_time, last_kafka_time, seconds, applied_at) values"
        " (%s, 0, 1, 2, 1, 1, 1, 0, 0, 0, 0, now(), now() - interval '51 seconds', 0.1, now() - interval '50 seconds')",
        [world.platform.topic],
    )
    assert " and growing: " in world.faults()["stream"].found


def test_a_stream_that_is_stuck(world: World) -> None:
    world.stream()
    produce(world.platform, seconds_ahead=0)
    world.connection.execute("delete from clickstream.stream_slices")
    assert world.faults()["stream"].found.startswith("stuck: 1 records wait")


def test_a_ledger_that_does_not_fit_the_topic(world: World) -> None:
    world.stream()
    world.connection.execute("update clickstream.stream_lease set heartbeat_at = now() - interval '5 minutes'")
    world.connection.execute("update clickstream.stream_offsets set topic_id = 'another'")
    stream = world.faults()["stream"]
    assert "the topic was recreated" in stream.found
    assert stream.remedy == "Give the new topic another name (CLICKSTREAM_TOPIC)"


def test_a_topic_that_is_missing_or_other(world: World) -> None:
    world.stream()
    world.check()
    missing = world.faults(topic="no.such.topic")["topic no.such.topic"]
    assert missing.found == "is missing"
    other = world.faults(topic_partitions=3)[f"topic {world.platform.topic}"]
    assert other.found == "has 2 partitions, CLICKSTREAM_TOPIC_PARTITIONS says 3"


def test_a_record_of_the_future_shows_a_wrong_clock(world: World) -> None:
    world.stream()
    produce(world.platform, seconds_ahead=600)
    clock = world.faults()["clock"]
    seconds = re.fullmatch(r"Kafka's newest record is ([\d.]+) s ahead of us", clock.found)
    assert seconds
    assert 300 < float(seconds[1]) <= 600


@pytest.mark.parametrize(
    ("part", "setting"),
    [
        ("kafka", {"kafka_bootstrap": "127.0.0.1:1"}),
        ("redis", {"redis_url": SecretStr("redis://127.0.0.1:1/0")}),
        ("postgres", {"postgres_owner": SecretStr("host=127.0.0.1 port=1 dbname=none user=none")}),
    ],
)
def test_a_part_that_is_away_does_not_stop_the_others(world: World, part: str, setting: dict[str, Any]) -> None:
    world.stream()
    world.check()
    found = world.findings(**setting)
    assert found[part].found.startswith("away: ")
    assert "KafkaError{" not in found[part].found
    assert found[part].remedy
    assert not any(found[other].fault for other in {"kafka", "redis", "postgres"} - {part})
    assert found["stream"].fault == (part != "redis")


def test_migrations_that_were_not_applied(world: World, database: Any) -> None:
    with psycopg.connect(database.owner, autocommit=True) as owner:
        owner.execute("delete from _yoyo_migration where migration_id = '0003.dead_letters'")
    migrations = world.faults()["migrations"]
    assert migrations == Finding("migrations", "not applied: 0003.dead_letters", "clickstream db migrate")


def test_an_empty_database(world: World, database: Any) -> None:
    with psycopg.connect(database.owner, autocommit=True) as owner:
        owner.execute("drop schema clickstream cascade")
        owner.execute("drop table _yoyo_migration cascade")
    assert world.faults()["migrations"].found.startswith("not applied: 0001.stream, 0002.models, ")


def test_models_that_are_missing_stale_or_wrong(world: World) -> None:
    world.stream()
    assert world.faults()["dashboards"].found == "empty: the models were never built"
    world.check(minutes_ago=90)
    assert world.faults()["dashboards"].found == "stale: models built 90 min ago"
    world.check("sums", passed=False)
    assert world.faults()["dashboards"].found == "checks of the models fail: sums"


def test_a_slow_query_of_a_dashboard(world: World, database: Any) -> None:
    world.stream()
    world.check()
    with psycopg.connect(database.reader) as reader, ThreadPoolExecutor() as pool:
        with psycopg.connect(database.admin) as lock:
            lock.execute("lock table clickstream.sessions in access exclusive mode")
            asked = pool.submit(reader.execute, "select /* of a dashboard */ count(*) from clickstream.sessions")
            dashboards = wait_until(lambda: world.faults().get("dashboards"), "a query that runs for over a second")
        asked.result()
    assert dashboards.found.startswith("slow: 1 queries run, one for ")
    assert "(waits for Lock): select /* of a dashboard */ count(*)" in dashboards.found
    assert dashboards.remedy.startswith("a migration or a backfill's swap holds the table")


def test_dead_rows(world: World, database: Any) -> None:
    world.stream()
    world.check()
    with psycopg.connect(database.owner, autocommit=True) as owner:
        owner.execute("create table clickstream.heap (n int) with (autovacuum_enabled = off)")
        owner.execute("insert into clickstream.heap select generate_series(1, 150000)")
        owner.execute("delete from clickstream.heap")
        owner.execute("select pg_stat_force_next_flush()")
    dashboards = world.faults()["dashboards"]
    assert dashboards.found == "slow: dead rows not cleared away in heap (150,000 of 0)"
    assert "vacuum (analyze) clickstream.heap" in dashboards.remedy


class Elsewhere(Kafka):
    """A broker that advertises an address at which nobody listens."""

    def prepare(self) -> None:
        super().prepare()
        right, wrong = (f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}" for port in (self.port, 1))
        self._config.write_text(self._config.read_text().replace(right, wrong))


def test_a_wrong_advertised_listener(kafka_jars: Path, tmp_path: Path) -> None:
    server = Elsewhere(tmp_path, kafka_jars, free_port(), free_port())
    with running(server, tmp_path / "kafka.log"):
        asked = Settings(kafka_bootstrap=server.bootstrap())
        [finding] = broker.judge(broker.read(asked), asked)
    assert finding.found == (
        f"{server.bootstrap()} answers, but advertises an address that does not: 127.0.0.1:1 (Connection refused)"
    )
    assert "advertised.listeners" in finding.remedy


def test_the_command(world: World) -> None:
    world.stream()
    result = CliRunner().invoke(app, ["doctor", "--json"])
    told = json.loads(result.stdout)
    assert (result.exit_code, told["well"]) == (1, False)
    faults = {finding["part"]: finding["remedy"] for finding in told["findings"] if finding["fault"]}
    assert faults["dashboards"].startswith("look at the newest run of the DAG clickstream_models")
    shown = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert shown.exit_code == 1
    assert "→ look at the newest run of the DAG clickstream_models" in shown.stdout


def test_wrong_usage_and_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["doctor", "--nonsense"]).exit_code == 2
    for name, value, said in (("HOME", str(tmp_path), "set CLICKSTREAM_HOME"), ("TOPIC_PARTITIONS", "0", "settings:")):
        monkeypatch.setenv(f"CLICKSTREAM_{name}", value)
        settings.cache_clear()
        result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "300"})
        assert (result.exit_code, said in result.output) == (2, True), result.output
    settings.cache_clear()


def produce(platform: Settings, seconds_ahead: float) -> None:
    producer = Producer({"bootstrap.servers": platform.kafka_bootstrap})
    producer.produce(platform.topic, b"{}", timestamp=int((time.time() + seconds_ahead) * 1_000), partition=0)
    assert producer.flush(30) == 0
