"""Airflow as the tests use it: api-server, scheduler and DAG processor on the tests' PostgreSQL, each on free ports."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from clickstream.warehouse.roles import create_service_database
from local import environment, passwords
from local.airflow import Airflow
from local.layout import DEFAULT_PORTS, Layout
from local.postgres import Postgres
from local.server import free_port, running
from local.servers import Servers

ROOT = Path(__file__).parents[1]
COMPONENTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
}


@dataclass(frozen=True)
class Component:
    """One process of Airflow; ready when the API server calls it healthy."""

    name: str
    variables: Mapping[str, str]
    api: Airflow
    stop_signal: signal.Signals = signal.SIGTERM

    def prepare(self) -> None:
        """Nothing: the database is migrated before."""

    def command(self) -> list[str]:
        """`airflow NAME`."""
        return [sys.executable, "-m", "airflow", *COMPONENTS[self.name]]

    def environment(self) -> dict[str, str]:
        """All that it reads."""
        return dict(self.variables)

    def ready(self) -> None:
        """Its health, by the API server."""
        part = {"api-server": "metadatabase"}.get(self.name, self.name.replace("-", "_"))
        status = self.api.health()[part]["status"]
        if status != "healthy":
            raise RuntimeError(f"{part} is {status}")


@dataclass(frozen=True)
class Serving:
    """A running Airflow: its API as the admin, the admin's password, and what its processes and commands read."""

    api: Airflow
    password: str
    variables: Mapping[str, str]

    def command(self, *arguments: str) -> str:
        """Run an airflow command; its standard output."""
        command = [sys.executable, "-m", "airflow", *arguments]
        done = subprocess.run(command, env=self.variables, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
        return done.stdout


@contextmanager
def airflow(directory: Path, postgres: Postgres, more: Mapping[str, str]) -> Iterator[Serving]:
    """The checkout's DAGs and plugins in an Airflow of its own.

    `more`: what `clickstream.settings` reads, and what jobs need.
    """
    ports = {name: free_port() for name in DEFAULT_PORTS} | {"POSTGRES": postgres.port}
    layout = Layout(directory, ports, {})
    secrets = passwords.ensure(layout.secrets)
    create_service_database(postgres.admin_dsn(), "airflow", secrets["airflow_database"])
    logins = layout.state / "airflow" / "passwords.json"
    logins.parent.mkdir()
    logins.write_text(json.dumps({environment.AIRFLOW_USER: secrets["airflow_admin"]}) + "\n")
    variables = {
        **os.environ,
        **environment.common(),
        **environment.airflow(layout, secrets, Servers.of(layout, secrets)),
        **more,
        "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    }
    migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(migrate, env=variables, check=True, capture_output=True, timeout=300)
    api = Airflow(layout)
    try:
        with ExitStack() as stack:
            for name in COMPONENTS:
                stack.enter_context(running(Component(name, variables, api), directory / f"{name}.log", seconds=180))
            yield Serving(api, secrets["airflow_admin"], variables)
    finally:
        _end_tasks(variables["AIRFLOW_HOME"])
        for log in (directory / "scheduler.log", *sorted((layout.logs / "airflow").glob("dag_id=*/**/*.log"))):
            if log.exists():
                print(f"--- {log.relative_to(directory)}\n{log.read_text(errors='replace')[-3_000:]}")
        with psycopg.connect(postgres.admin_dsn(), autocommit=True) as admin:
            admin.execute("drop database airflow with (force)")  # the next one's begins empty


def _end_tasks(home: str) -> None:
    """A scheduler that ends leaves the tasks that run."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("AIRFLOW_HOME") == home:
                process.kill()
