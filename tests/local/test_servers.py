"""The servers themselves: loopback only, passwords needed, state kept over a restart."""

from pathlib import Path

import psycopg
import pytest
import redis as redis_client
from confluent_kafka.admin import AdminClient

from local.postgres import Postgres
from local.server import NotReadyError, free_port, running


def test_every_fixture_points_at_a_live_server(platform):
    with psycopg.connect(platform.postgres_writer.get_secret_value()) as connection:
        assert connection.execute("select count(*) from clickstream.events").fetchone() == (0,)
    topics = AdminClient({"bootstrap.servers": platform.kafka_bootstrap}).list_topics(timeout=10).topics
    assert len(topics[platform.topic].partitions) == 2
    with redis_client.Redis.from_url(platform.redis_url.get_secret_value()) as client:
        assert client.dbsize() == 0


def test_postgres_listens_on_loopback_only_and_asks_for_a_password(postgres: Postgres, database):
    with psycopg.connect(database.admin) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("127.0.0.1",)
        assert connection.execute("show unix_socket_directories").fetchone() == ("",)
        assert connection.execute("show synchronous_commit").fetchone() == ("on",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.dsn(database.name, "clickstream_writer", "wrong"))


def test_redis_refuses_who_has_no_password(redis_url: str):
    open_url = "redis://" + redis_url.split("@", 1)[1]
    with redis_client.Redis.from_url(open_url) as client, pytest.raises(redis_client.AuthenticationError):
        client.ping()


def test_postgres_keeps_its_data_over_a_restart_deep_in_a_long_path(tmp_path: Path):
    deep = tmp_path / "/".join(["a-directory-with-a-long-name"] * 6)
    server = Postgres(deep / "data", free_port(), "secret", shared_buffers="16MB")
    assert len(str(server.data)) > 108, "the path must be longer than a Unix socket's may be"
    with running(server, tmp_path / "first.log"), psycopg.connect(server.admin_dsn()) as connection:
        connection.execute("create table kept as select 7 as figure")
    with running(server, tmp_path / "second.log"), psycopg.connect(server.admin_dsn()) as connection:
        assert connection.execute("select figure from kept").fetchone() == (7,)


def test_a_server_that_ends_at_once_is_reported_with_its_log(tmp_path: Path):
    server = Postgres(tmp_path / "data", free_port(), "secret", shared_buffers="nonsense")
    with (
        pytest.raises(NotReadyError, match=r"postgres ended with exit code 1(?s:.*)shared_buffers"),
        running(server, tmp_path / "postgres.log"),
    ):
        pass
