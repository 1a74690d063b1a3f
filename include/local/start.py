"""`clickstream up`: start everything in order, wait until the first sessions and live figures are there."""

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import psycopg

from clickstream.warehouse.migrations import migrate
from clickstream.warehouse.roles import OWNER, READER, WRITER, create_service_database, create_warehouse
from local import passwords
from local.airflow import Airflow
from local.checks import check_ports
from local.configure import configure
from local.health import airflow, models_are_built, stream_is_live, superset
from local.layout import Layout
from local.processes import end, processes
from local.server import Server, wait_ready
from local.servers import Servers
from local.services import AIRFLOW, SUPERSET
from local.steps import Steps
from local.supervised import config_file, is_running
from local.supervisor import Supervisor

# These run from the first start; the others are for the user to switch on.
DAGS = (
    "clickstream_generate",
    "clickstream_stream",
    "clickstream_models",
    "clickstream_archive",
    "clickstream_backfill",
    "clickstream_maintenance",
)
# Spark's cold start and the first five-minute run of the generator, on a slow machine.
FIRST_FIGURES_SECONDS = 420


class StartError(RuntimeError):
    """The platform does not come up; the message says where to look."""


def up(layout: Layout, steps: Steps) -> Servers:
    """Start what does not run yet. Run again, it changes nothing.

    Raises:
        StartError, ProblemError, NotReadyError, SupervisorError: with what to mend.
    """
    servers = _configured(layout)
    supervisor = Supervisor(layout)
    if not is_running(layout):
        left = end(processes(layout), 20)  # supervisord itself was killed: what it watched is nobody's now
        if left:
            steps.say(f"ended {left} processes that a killed supervisord had left")
        check_ports(layout, [name for name in layout.ports if name != "SPARK_UI"])
        with steps.step("supervisord"):
            supervisor.start_daemon()
    with ThreadPoolExecutor() as pool:
        kafka = pool.submit(_server, steps, supervisor, servers.kafka)
        cache = pool.submit(_server, steps, supervisor, servers.redis)
        _server(steps, supervisor, servers.postgres)
        with steps.step("databases, roles and schema"):
            create_roles(layout, servers)
            owner = servers.postgres.dsn("clickstream", OWNER, passwords.ensure(layout.secrets)[OWNER])
            migrate(owner, layout.root / "sql" / "schema")
        tasks = [
            pool.submit(_airflow, layout, servers, steps, supervisor),
            pool.submit(_superset, layout, steps, supervisor, cache.result),
        ]
        for task in (kafka, cache, *tasks):
            task.result()
    with steps.step("DAGs"):
        Airflow(layout).ensure_pool("clickstream_batch", 1, "Spark jobs beside the stream: one at a time")
        _unpause(layout)
    with steps.step("first sessions and live figures"):
        _wait(lambda: stream_is_live(servers), FIRST_FIGURES_SECONDS, _why_no_figures(layout))
    if not models_are_built(servers):
        Airflow(layout).trigger("clickstream_models")  # or their charts stay empty until the next five minutes begin
    return servers


def create_roles(layout: Layout, servers: Servers) -> None:
    """Roles and databases of the warehouse, Airflow and Superset."""
    secrets = passwords.ensure(layout.secrets)
    admin = servers.postgres.admin_dsn()
    create_warehouse(admin, {role: secrets[role] for role in (OWNER, WRITER, READER)})
    create_service_database(admin, "airflow", secrets["airflow_database"])
    create_service_database(admin, "superset", secrets["superset_database"])


def _configured(layout: Layout) -> Servers:
    """Write the configuration; what runs must not find another one under its feet."""
    files = [config_file(layout), layout.state / "env"]
    before = [file.read_text() if file.exists() else None for file in files]
    servers = configure(layout)
    if is_running(layout) and before != [file.read_text() for file in files]:
        raise StartError("the settings have changed while the platform runs: clickstream down, then up again")
    return servers


def _server(steps: Steps, supervisor: Supervisor, server: Server) -> None:
    with steps.step(server.name):
        server.prepare()
        supervisor.start(server.name)
        wait_ready(server, 60)


def _airflow(layout: Layout, servers: Servers, steps: Steps, supervisor: Supervisor) -> None:
    with steps.step("airflow"):
        if not supervisor.states()["airflow-api-server"]["pid"]:
            _migrate_airflow(layout, servers)
        for name in AIRFLOW:
            supervisor.start(name)
        _wait(lambda: airflow(layout).healthy, 180, f"Airflow is not healthy; see {layout.logs}/airflow-*.log")


def _migrate_airflow(layout: Layout, servers: Servers) -> None:
    """Airflow takes many seconds to find out that there is nothing to do: remember which version did it here."""
    stamp = layout.state / "airflow" / "migrated"
    if stamp.exists() and stamp.read_text() == _airflow_state(servers):
        return
    _run(layout, "airflow-migrate", [str(layout.programs / "airflow"), "db", "migrate"])
    stamp.write_text(_airflow_state(servers))


def _airflow_state(servers: Servers) -> str:
    """The installed version, the database and its revision."""
    with psycopg.connect(servers.postgres.admin_dsn("airflow")) as connection:
        system = connection.execute("select system_identifier from pg_control_system()").fetchone()
        migrated = connection.execute("select to_regclass('public.alembic_version')").fetchone()
        revision = migrated and migrated[0] and connection.execute("table public.alembic_version").fetchone()
    return f"{version('apache-airflow')} {system} {revision}"


def _superset(layout: Layout, steps: Steps, supervisor: Supervisor, redis_is_up: Callable[[], None]) -> None:
    redis_is_up()  # the bundle's import opens the live database
    with steps.step("superset"):
        if not supervisor.states()[SUPERSET]["pid"]:
            program = str(layout.programs / "superset-env")
            _run(layout, "superset-setup", [program, "clickstream-superset-setup"])
        supervisor.start(SUPERSET)
        _wait(lambda: superset(layout).healthy, 120, f"Superset does not answer; see {layout.logs}/superset.log")


def _run(layout: Layout, name: str, command: list[str]) -> None:
    """Run a program to its end, with its output in a log of its own."""
    log = layout.logs / f"{name}.log"
    with log.open("w") as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-12:])
        raise StartError(f"{name} failed with exit code {done.returncode}; {log} ends:\n{tail}")


def _unpause(layout: Layout) -> None:
    """Once for each DAG: whoever pauses one later keeps it paused."""
    api = Airflow(layout)
    done_file = layout.state / "airflow" / "unpaused"
    done = set(done_file.read_text().split()) if done_file.exists() else set()
    wanted = set(DAGS) - done
    if not wanted:
        return
    try:
        _wait(lambda: wanted <= api.dag_ids(), 120, "")
    except StartError as error:
        missing = ", ".join(sorted(wanted - api.dag_ids()))
        reasons = "\n".join(api.import_errors()) or f"see {layout.logs}/airflow-dag-processor.log"
        raise StartError(f"Airflow does not find the DAGs {missing}:\n{reasons}") from error
    for dag_id in sorted(wanted):
        api.unpause(dag_id)
    done_file.write_text("\n".join(sorted(done | wanted)) + "\n")


def _wait(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Poll until true; an error while polling counts as not yet."""
    deadline = time.monotonic() + seconds
    problem = ""
    while True:
        try:
            if condition():
                return
        except Exception as error:
            problem = f" ({error})"
        if time.monotonic() > deadline:
            raise StartError(f"{otherwise} - after {seconds:.0f} s{problem}")
        time.sleep(0.5)


def _why_no_figures(layout: Layout) -> str:
    return (
        f"no sessions or live figures yet. Look at http://127.0.0.1:{layout.ports['AIRFLOW']} for failed runs of "
        f"{DAGS[0]} and {DAGS[1]}, at their logs in {layout.logs / 'airflow'}, and at `clickstream status`"
    )
