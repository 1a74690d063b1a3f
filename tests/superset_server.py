"""Superset as the tests use it: its setup, its web server, its REST API, its live dialect."""

import json
import os
import secrets
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from clickstream.warehouse.roles import create_service_database
from local.server import LOOPBACK, free_port

ROOT = Path(__file__).parents[1]
SUPERSET_PYTHON = ROOT / ".local" / "superset-venv" / "bin" / "python"


@dataclass(frozen=True)
class Superset:
    """A Superset: what it reads from the environment, where its data and the warehouse's are, its address."""

    variables: dict[str, str]
    metadata_dsn: str
    writer_dsn: str
    url: str
    name: str = "superset"
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def password(self) -> str:
        """The admin's."""
        return self.variables["SUPERSET_ADMIN_PASSWORD"]

    def setup(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the setup command to its end."""
        return subprocess.run(
            [str(SUPERSET_PYTHON), "-m", "clickstream_superset.setup", *arguments],
            env=self.variables | variables, capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    def objects(self) -> dict[str, list[str]]:
        """Names of everything that its metadata hold, by kind."""
        names = {"dbs": "database_name", "tables": "table_name", "slices": "slice_name", "dashboards": "slug"}
        with psycopg.connect(self.metadata_dsn) as connection:
            return {
                table: sorted(row[0] for row in connection.execute(f"select {name} from {table}"))
                for table, name in names.items()
            }

    def prepare(self) -> None:
        """Nothing: `setup` did it."""

    def command(self) -> list[str]:
        """The web server, as docs/dashboards.md gives it."""
        gunicorn, address = SUPERSET_PYTHON.with_name("gunicorn"), self.url.removeprefix("http://")
        config = "python:clickstream_superset.web"
        return [str(gunicorn), "--config", config, "--bind", address, "superset.app:create_app()"]

    def environment(self) -> dict[str, str]:
        """What it reads."""
        return self.variables

    def ready(self) -> None:
        """Ask for its health."""
        httpx.get(f"{self.url}/health").raise_for_status()


def superset_beside(home: Path, admin_dsn: str, reader_dsn: str, redis_url: str, writer_dsn: str = "") -> Superset:
    """A Superset over a warehouse and the live figures, its own database beside; not set up yet."""
    create_service_database(admin_dsn, "superset", "test-superset")
    reader = conninfo_to_dict(reader_dsn)
    server = f"{reader['host']}:{reader['port']}"
    variables = {
        "PATH": os.environ["PATH"],
        "SUPERSET_HOME": str(home),
        "SUPERSET_SECRET_KEY": secrets.token_hex(32),
        "SUPERSET_ADMIN_PASSWORD": secrets.token_urlsafe(16),
        "SUPERSET_METADATA_URI": f"postgresql+psycopg2://superset:test-superset@{server}/superset",
        "SUPERSET_READER_URI": (
            f"postgresql+psycopg2://{reader['user']}:{reader['password']}@{server}/{reader['dbname']}"
        ),
        "CLICKSTREAM_REDIS_URL": redis_url,
        "CLICKSTREAM_AIRFLOW_URL": "http://airflow.example:8080",
    }
    own = make_conninfo(reader_dsn, dbname="superset", user="superset", password="test-superset")
    return Superset(variables, own, writer_dsn, f"http://{LOOPBACK}:{free_port()}")


@dataclass(frozen=True)
class Api:
    """Superset's REST API as the admin uses it."""

    client: httpx.Client

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """The JSON of a GET that has to succeed."""
        return self.client.get(f"/api/v1/{path}", params=query).raise_for_status().json()

    def named(self, kind: str, name_field: str) -> dict[str, int]:
        """Name → id of all objects of a kind."""
        everything = self.get(f"{kind}/", q="(page_size:100)")
        return {item[name_field]: item["id"] for item in everything["result"]}

    def sql(self, database: str, sql: str) -> httpx.Response:
        """Run SQL as SQL Lab does."""
        database_id = self.named("database", "database_name")[database]
        body = {"database_id": database_id, "sql": sql, "client_id": secrets.token_hex(5), "runAsync": False}
        return self.client.post("/api/v1/sqllab/execute/", json=body)


def query_live(redis_url: str, sql: str) -> Any:
    """The rows of a query through the live dialect, or the class and text of its error."""
    script = ROOT / "tests" / "superset" / "query_live.py"
    environment = {"CLICKSTREAM_REDIS_URL": redis_url, "SQLALCHEMY_SILENCE_UBER_WARNING": "1"}
    done = subprocess.run(
        [str(SUPERSET_PYTHON), str(script), sql], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
