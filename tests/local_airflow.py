"""An Airflow that serves: API server, scheduler and DAG processor under supervisord, configured as by `clickstream up`,
with a metadata database in the tests' PostgreSQL."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from clickstream.warehouse.roles import create_service_database
from local import health, passwords
from local.airflow import Airflow
from local.configure import configure
from local.layout import DEFAULT_PORTS, Layout
from local.postgres import Postgres
from local.processes import processes
from local.server import free_port
from local.services import AIRFLOW
from local.steps import Steps
from local.stop import down
from local.supervisor import Supervisor
from waiting import wait_until

ROOT = Path(__file__).parents[1]


class LocalAirflow:
    """Its REST API (`api`), its command line, and what its tasks started."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.api = Airflow(layout)

    def command(self, *arguments: str) -> str:
        """Run an airflow command in a new shell's environment; its standard output."""
        program = str(self.layout.programs / "airflow")
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
        return done.stdout

    def healthy(self) -> bool:
        """Whether all three components answer."""
        try:
            return health.airflow(self.layout).healthy
        except OSError:
            return False

    def drivers(self, job: str) -> list[psutil.Process]:
        """The Spark JVMs of a job of spark_jobs/."""
        return [
            process
            for process in processes(self.layout)
            if process.name() == "java" and any(part.endswith(f"/{job}") for part in process.cmdline())
        ]

    def logs(self) -> Iterator[Path]:
        """One file a component, and one a task."""
        yield from sorted(self.layout.logs.rglob("*.log"))


@contextmanager
def local_airflow(directory: Path, postgres: Postgres, jars: Path) -> Iterator[LocalAirflow]:
    """Serve this checkout's DAGs for the platform that the environment names (CLICKSTREAM_…); Spark's `jars`."""
    ports = {name: free_port() for name in DEFAULT_PORTS} | {"POSTGRES": postgres.port}
    values = {name: value for name, value in os.environ.items() if name.startswith("CLICKSTREAM_")}
    values |= {f"AIRFLOW__CORE__{kind.upper()}_FOLDER": str(ROOT / kind) for kind in ("dags", "plugins")}
    layout = Layout(directory, ports, values)
    layout.state.mkdir(parents=True)
    layout.venv.symlink_to(ROOT / ".local" / "venv")
    layout.spark_jars.symlink_to(jars)
    configure(layout)
    create_service_database(postgres.admin_dsn(), "airflow", passwords.ensure(layout.secrets)["airflow_database"])
    airflow = LocalAirflow(layout)
    try:
        airflow.command("db", "migrate")
        supervisor = Supervisor(layout)
        supervisor.start_daemon()
        for name in AIRFLOW:
            supervisor.start(name)
        wait_until(airflow.healthy, "a healthy Airflow", 300)
        yield airflow
    finally:
        down(layout, Steps())
        for log in airflow.logs():
            print(f"--- {log.relative_to(layout.logs)}\n{log.read_text(errors='replace')[-2_000:]}")
        with psycopg.connect(postgres.admin_dsn(), autocommit=True) as admin:
            admin.execute("drop database airflow with (force)")
