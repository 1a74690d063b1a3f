"""Where the contenders of a comparison run: one Kafka topic for all, a fresh database and Redis for each.

The servers are the running platform's, or ones of its own with the platform's settings.
"""

import contextlib
import os
import secrets
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import psycopg
from confluent_kafka.admin import AdminClient
from psycopg import sql
from psycopg.conninfo import make_conninfo

from clickstream.delivery import ensure_topic
from clickstream.settings import Settings, settings
from clickstream.warehouse.migrations import migrate
from clickstream.warehouse.roles import OWNER, READER, WRITER, create_warehouse
from local import jars
from local import layout as checkout
from local.kafka import Kafka
from local.passwords import ensure
from local.postgres import Postgres
from local.redis import Redis
from local.server import free_port, running
from local.servers import Servers

ROOT = Path(__file__).parents[1]
ROLES = {"postgres_owner": OWNER, "postgres_writer": WRITER, "postgres_reader": READER}


class NoPlatformError(RuntimeError):
    """PostgreSQL cannot be reached with the settings of the environment; the message says what to do."""


@dataclass(frozen=True)
class Bench:
    """Servers and a topic; `dsn` has a libpq string for each role (its database does not matter)."""

    bootstrap: str
    admin_dsn: str
    dsn: dict[str, str]
    topic: str
    directory: Path

    @contextlib.contextmanager
    def platform(self, name: str) -> Iterator[tuple[Settings, dict[str, str]]]:
        """Settings with a fresh database and Redis for one contender, and the same as environment."""
        database = f"bench_{secrets.token_hex(4)}_{name}"
        live = Redis(self.directory / f"redis-{name}", free_port(), secrets.token_hex(8))
        changed = {role: make_conninfo(dsn, dbname=database) for role, dsn in self.dsn.items()}
        changed |= {"kafka_bootstrap": self.bootstrap, "topic": self.topic, "redis_url": live.url()}
        changed |= {"home": str(ROOT), "state_dir": str(self.directory / name)}
        environment = {f"CLICKSTREAM_{field.upper()}": value for field, value in changed.items()}
        os.environ.update(environment)
        settings.cache_clear()
        with psycopg.connect(self.admin_dsn, autocommit=True) as admin:
            names = sql.Identifier(database), sql.Identifier(OWNER)
            admin.execute(sql.SQL("create database {} owner {}").format(*names))
        try:
            migrate(changed["postgres_owner"], ROOT / "sql" / "schema")
            with running(live, self.directory / f"redis-{name}.log"):
                yield settings(), environment
        finally:
            with psycopg.connect(self.admin_dsn, autocommit=True) as admin:
                admin.execute("checkpoint")  # one contender's dirty pages are not the next one's work
                admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database)))


@contextlib.contextmanager
def bench(directory: Path, own_servers: bool) -> Iterator[Bench]:
    """Servers with a fresh topic, which is deleted at the end."""
    with contextlib.ExitStack() as stack:
        base = stack.enter_context(_own_servers(directory)) if own_servers else _running_platform(directory)
        connection = {"bootstrap.servers": base.bootstrap}
        ensure_topic(connection, Settings(kafka_bootstrap=base.bootstrap, topic=base.topic))
        try:
            if not own_servers:
                stack.enter_context(_stream_rests())
            yield base
        finally:
            _delete_topic(connection, base.topic)


def _delete_topic(connection: dict[str, str], topic: str) -> None:
    """In a function of its own, so that its client is gone before the broker is."""
    admin = AdminClient(connection)
    admin.delete_topics([topic])[topic].result(30)


def _running_platform(directory: Path) -> Bench:
    """The platform of this checkout, which must be up; raises NoPlatformError."""
    base, layout = settings(), checkout.load(ROOT)
    admin_dsn = Servers.of(layout, ensure(layout.secrets)).postgres.admin_dsn()
    dsn = {role: getattr(base, role).get_secret_value() for role in ROLES}
    try:
        for each in (admin_dsn, *dsn.values()):
            psycopg.connect(each, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        raise NoPlatformError(
            f"{error}\nNo platform answers: `make up` and `. .local/env`, or --own-servers"
        ) from error
    return Bench(base.kafka_bootstrap, admin_dsn, dsn, f"bench.{secrets.token_hex(4)}", directory)


@contextlib.contextmanager
def warehouse(directory: Path, own_servers: bool) -> Iterator[Bench]:
    """PostgreSQL alone, without a topic."""
    if own_servers:
        with _own_postgres(directory) as base:
            yield base
    else:
        base = _running_platform(directory)
        with _stream_rests():
            yield base


@contextlib.contextmanager
def _own_servers(directory: Path) -> Iterator[Bench]:
    """PostgreSQL and Kafka in `directory`, configured as the platform's are by default."""
    layout = checkout.load(ROOT)
    jars.fetch(
        jars.KAFKA,
        layout.kafka_jars,
        jars.ivy_jar(Path(sysconfig.get_path("purelib"))),
        layout.state / "cache" / "ivy-kafka",
    )
    heap_mb = int(layout.own("CLICKSTREAM_KAFKA_HEAP_MB"))
    kafka = Kafka(directory / "kafka", layout.kafka_jars, free_port(), free_port(), heap_mb)
    with _own_postgres(directory) as base, running(kafka, directory / "kafka.log"):
        yield replace(base, bootstrap=kafka.bootstrap(), topic=f"bench.{secrets.token_hex(4)}")


@contextlib.contextmanager
def _own_postgres(directory: Path) -> Iterator[Bench]:
    (directory / "postgres").mkdir()
    postgres = Postgres(
        directory / "postgres" / "data",
        free_port(),
        secrets.token_hex(8),
        checkout.load(ROOT).own("CLICKSTREAM_POSTGRES_SHARED_BUFFERS"),
    )
    passwords = {role: secrets.token_hex(8) for role in ROLES.values()}
    directory.chmod(0o755)  # PostgreSQL may run as another account
    with running(postgres, directory / "postgres.log"):
        create_warehouse(postgres.admin_dsn(), passwords)
        dsn = {name: postgres.dsn("clickstream", role, passwords[role]) for name, role in ROLES.items()}
        yield Bench("", postgres.admin_dsn(), dsn, "", directory)


@contextlib.contextmanager
def _stream_rests() -> Iterator[None]:
    """The platform's own streaming job ends, and starts again afterwards: two jobs are not what is measured."""
    airflow = str(ROOT / ".local" / "bin" / "airflow")
    subprocess.run([airflow, "dags", "pause", "--yes", "clickstream_stream"], check=True, capture_output=True)
    try:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                mine = process.environ().get("AIRFLOW_CTX_DAG_ID") == "clickstream_stream"
                if mine and process.environ().get("AIRFLOW_HOME") == os.environ.get("AIRFLOW_HOME"):
                    process.kill()
        yield
    finally:
        subprocess.run([airflow, "dags", "unpause", "--yes", "clickstream_stream"], check=True, capture_output=True)
