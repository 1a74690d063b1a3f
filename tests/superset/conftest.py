"""A real Superset for the tests: set up once from its own environment, served on a free port, over seeded tables."""

import sys
from collections.abc import Iterator

import httpx
import psycopg
import pytest
import redis

from clickstream.warehouse.migrations import migrate
from clickstream.warehouse.roles import OWNER, READER, WRITER, create_warehouse
from local.postgres import Postgres
from local.redis import Redis
from local.server import running
from superset_server import ROOT, SUPERSET_PYTHON, Api, Superset, superset_beside

WAREHOUSE = "superset_warehouse"
# The modules of the package that need no Superset are tested here; the rest runs in Superset's environment.
sys.path.insert(0, str(ROOT / "include" / "superset"))


@pytest.fixture(scope="session")
def superset_setup(
    postgres: Postgres, redis_server: Redis, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Superset, str]:
    """A Superset in a fresh metadata database over an empty warehouse, and what its first setup printed."""
    assert SUPERSET_PYTHON.exists(), f"{SUPERSET_PYTHON} is missing: run make setup"
    passwords = {role: f"test-{role}" for role in (OWNER, WRITER, READER)}
    create_warehouse(postgres.admin_dsn(), passwords, WAREHOUSE)
    migrate(postgres.dsn(WAREHOUSE, OWNER, passwords[OWNER]), ROOT / "sql" / "schema")
    dsn = {role: postgres.dsn(WAREHOUSE, role, password) for role, password in passwords.items()}
    home = tmp_path_factory.mktemp("superset")
    superset = superset_beside(home, postgres.admin_dsn(), dsn[READER], redis_server.url(), dsn[WRITER])
    done = superset.setup()
    assert done.returncode == 0, done.stderr
    return superset, done.stdout


@pytest.fixture(scope="session")
def superset(superset_setup: tuple[Superset, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Superset]:
    """The Superset, served; it caches nothing, so that no test is answered with what another stored."""
    server = superset_setup[0]
    with psycopg.connect(server.metadata_dsn) as metadata:
        metadata.execute("update tables set cache_timeout = -1")
    with running(server, tmp_path_factory.mktemp("superset-web") / "superset.log", seconds=180):
        yield server


@pytest.fixture
def api(superset: Superset) -> Iterator[Api]:
    """The REST API with the admin's token."""
    with httpx.Client(base_url=superset.url, timeout=60) as client:
        body = {"username": "admin", "password": superset.password, "provider": "db"}
        token = client.post("/api/v1/security/login", json=body).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        csrf = client.get("/api/v1/security/csrf_token/").raise_for_status().json()["result"]
        client.headers.update({"X-CSRFToken": csrf, "Referer": superset.url})
        yield Api(client)


@pytest.fixture
def live(redis_server: Redis) -> Iterator[redis.Redis]:
    """A client of a Redis that holds no live metrics."""
    with redis.Redis.from_url(redis_server.url(), decode_responses=True) as client:
        client.flushall()
        yield client
