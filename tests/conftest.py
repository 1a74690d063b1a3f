"""Real servers for the tests: a broker, PostgreSQL and Redis of their own, on free ports, in temporary directories.

Session-scoped ones start when a test first asks and stop at the end; what a test changes is fresh for each test.
"""

import os
import secrets
import signal
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis as redis_client
from confluent_kafka.admin import AdminClient, NewTopic
from psycopg import sql
from xdist.scheduler import LoadScopeScheduling

from clickstream.settings import Settings, settings
from clickstream.warehouse.migrations import migrate
from clickstream.warehouse.roles import OWNER, READER, WRITER, create_warehouse
from local import jars
from local.kafka import Kafka
from local.postgres import Postgres
from local.redis import Redis
from local.server import free_port, running
from local.spark import SparkJob
from spark_classes import class_archive

ROOT = Path(__file__).parents[1]
TEMPLATE = "clickstream_template"
# What a test's process inherits must not depend on how pytest was started, e.g. by a script in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
for size in ("COLUMNS", "LINES"):
    os.environ.pop(size, None)
# Jobs of seconds are over before the second compiler pays for itself.
os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1"
PASSWORDS = {role: f"test-{role}" for role in (OWNER, WRITER, READER)}


# Servers and jobs of these directories are dear to start: one worker has all of their tests, and has them first.
DEAR = ("faults", "superset", "dags", "clickstream/backfill", "clickstream/erasure", "clickstream/stream")


class ByFile(LoadScopeScheduling):
    """Tests of one file go to one worker, and so do those of a dear directory."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(Path(nodeid.split("::", 1)[0]).relative_to("tests"))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """How `make test` hands out tests, instead of what ``--dist`` says."""
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The dear ones first, so that no worker ends with them alone."""
    items.sort(key=lambda item: _rank(_group(item.path.relative_to(ROOT / "tests"))))


def _group(file: Path) -> str:
    return next((directory for directory in DEAR if file.is_relative_to(directory)), str(file))


def _rank(group: str) -> int:
    return DEAR.index(group) if group in DEAR else len(DEAR)


class ThrowawayPostgres(Postgres):
    """Databases that come and go by the hundred, and that nobody needs when the machine went down."""

    def command(self) -> list[str]:
        """Without waiting for the disk."""
        return [*super().command(), "--fsync=off"]


@dataclass(frozen=True)
class Database:
    """A fresh database with all migrations: libpq strings of the three roles and of the superuser."""

    name: str
    owner: str
    writer: str
    reader: str
    admin: str


@pytest.fixture(scope="session")
def kafka_jars() -> Path:
    """The broker's jars: the checkout's, fetched when they are not there yet."""
    into = ROOT / ".local" / "kafka" / "jars"
    site_packages = Path(sysconfig.get_path("purelib"))
    jars.fetch(jars.KAFKA, into, jars.ivy_jar(site_packages), ROOT / ".local" / "cache" / "ivy-kafka")
    return into


@pytest.fixture(scope="session")
def spark_jars() -> Path:
    """Spark's Kafka source and Delta, fetched when they are not there yet; jobs start with a class archive."""
    into = ROOT / ".local" / "jars"
    ivy = jars.ivy_jar(Path(sysconfig.get_path("purelib")))
    jars.fetch(jars.SPARK, into, ivy, ROOT / ".local" / "cache" / "ivy-spark")
    archive = class_archive(ROOT, into)
    if archive.exists():
        SparkJob.java_options += f" -XX:SharedArchiveFile={archive}"
    return into


@pytest.fixture(scope="session")
def kafka(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of a real broker."""
    directory = tmp_path_factory.mktemp("kafka")
    server = Kafka(directory, kafka_jars, free_port(), free_port())
    with running(server, directory / "kafka.log"):
        yield server.bootstrap()


@pytest.fixture
def topic(kafka: str) -> Iterator[str]:
    """A fresh topic with two partitions."""
    name = f"test.{secrets.token_hex(6)}"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])[name].result(30)
    yield name
    admin.delete_topics([name])[name].result(30)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL server with the roles and one migrated database that the tests' are copied from."""
    directory = tmp_path_factory.mktemp("postgres")
    server = ThrowawayPostgres(directory / "data", free_port(), "test-admin", shared_buffers="128MB")
    with running(server, directory / "postgres.log"):
        create_warehouse(server.admin_dsn(), PASSWORDS, TEMPLATE)
        migrate(server.dsn(TEMPLATE, OWNER, PASSWORDS[OWNER]), ROOT / "sql" / "schema")
        yield server


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> str:
    """The writer's libpq string to a migrated, empty database: for tests that make temporary tables alone."""
    return postgres.dsn(TEMPLATE, WRITER, PASSWORDS[WRITER])


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    """A fresh copy of the migrated database, dropped at the end."""
    name = f"test_{secrets.token_hex(6)}"
    identifiers = {"name": sql.Identifier(name), "template": sql.Identifier(TEMPLATE), "owner": sql.Identifier(OWNER)}
    create = "create database {name} template {template} owner {owner} strategy file_copy"
    close = "revoke all on database {name} from public"
    with psycopg.connect(postgres.admin_dsn(), autocommit=True) as admin:
        for statement in (create, close):
            admin.execute(sql.SQL(statement).format(**identifiers))
        # A database's own grants are not copied from its template.
        for role, rights in ((WRITER, "connect, temporary"), (READER, "connect")):
            grant = f"grant {rights} on database {{}} to {{}}"
            admin.execute(sql.SQL(grant).format(sql.Identifier(name), sql.Identifier(role)))
    owner, writer, reader = (postgres.dsn(name, role, PASSWORDS[role]) for role in (OWNER, WRITER, READER))
    yield Database(name, owner, writer, reader, postgres.admin_dsn(name))
    with psycopg.connect(postgres.admin_dsn(), autocommit=True) as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis server with a password."""
    directory = tmp_path_factory.mktemp("redis")
    server = Redis(directory, free_port(), "test-redis")
    with running(server, directory / "redis.log"):
        yield server


@pytest.fixture
def redis_url(redis_server: Redis) -> str:
    """The address of a flushed Redis."""
    with redis_client.Redis.from_url(redis_server.url()) as client:
        client.flushall()
    return redis_server.url()


@pytest.fixture
def platform(
    kafka: str,
    topic: str,
    database: Database,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Settings]:
    """Settings that point at the fresh topic, database and Redis; the environment says the same."""
    values = {
        "KAFKA_BOOTSTRAP": kafka,
        "TOPIC": topic,
        "POSTGRES_OWNER": database.owner,
        "POSTGRES_WRITER": database.writer,
        "POSTGRES_READER": database.reader,
        "REDIS_URL": redis_url,
        "USER_HASH_KEY": "test-user-hash-key",
        "HOME": str(ROOT),
        "STATE_DIR": str(tmp_path / "state"),
    }
    for name, value in values.items():
        monkeypatch.setenv(f"CLICKSTREAM_{name}", value)
    settings.cache_clear()
    yield settings()
    settings.cache_clear()
