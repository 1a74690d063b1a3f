"""The environment of the services: what the code reads instead of knowing where it runs.

The same names are set by docker-compose.yaml for many machines.
"""

import json
import os
import shlex
from collections.abc import Mapping

from local.layout import Layout
from local.server import LOOPBACK
from local.servers import Servers

AIRFLOW_USER = "admin"
SUPERSET_USER = "admin"
# A killed worker is noticed after so many seconds without a heartbeat (they come every 5).
HEARTBEAT_TIMEOUT = 30


def clickstream(layout: Layout, secrets: Mapping[str, str], servers: Servers) -> dict[str, str]:
    """What `clickstream.settings` reads."""
    dsn = {
        f"CLICKSTREAM_POSTGRES_{role.upper()}": servers.postgres.dsn(
            "clickstream", f"clickstream_{role}", secrets[f"clickstream_{role}"]
        )
        for role in ("owner", "writer", "reader")
    }
    return {
        **dsn,
        "CLICKSTREAM_KAFKA_BOOTSTRAP": servers.kafka.bootstrap(),
        "CLICKSTREAM_REDIS_URL": servers.redis.url(),
        "CLICKSTREAM_USER_HASH_KEY": secrets["user_hash_key"],
        "CLICKSTREAM_SUPERSET_URL": f"http://{LOOPBACK}:{layout.ports['SUPERSET']}",
        "CLICKSTREAM_HOME": str(layout.root),
        "CLICKSTREAM_STATE_DIR": str(layout.state),
    }


def airflow(layout: Layout, secrets: Mapping[str, str], servers: Servers) -> dict[str, str]:
    """Airflow's options and connections."""
    url = f"http://{LOOPBACK}:{layout.ports['AIRFLOW']}"
    database = f"{LOOPBACK}:{layout.ports['POSTGRES']}/airflow"
    options = {
        "CORE__DAGS_FOLDER": str(layout.root / "dags"),
        "CORE__PLUGINS_FOLDER": str(layout.root / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "8",
        "CORE__FERNET_KEY": secrets["airflow_fernet"],
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{AIRFLOW_USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(layout.state / "airflow" / "passwords.json"),
        "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://airflow:{secrets['airflow_database']}@{database}",
        "DATABASE__SQL_ALCHEMY_POOL_SIZE": "3",
        "API__HOST": LOOPBACK,
        "API__PORT": str(layout.ports["AIRFLOW"]),
        "API__BASE_URL": url,
        "API__WORKERS": "1",
        "API__SECRET_KEY": secrets["airflow_api"],
        "API_AUTH__JWT_SECRET": secrets["airflow_jwt"],
        # A new file is a DAG within half a minute.
        "DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT),
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        # The DAG processor ends when PostgreSQL is away for longer than these tries (at most 5 s apart) take.
        "DATABASE__MAX_DB_RETRIES": "30",
        # A task outlives a restart of the API server, which takes longer than the default 3 heartbeats of 5 s.
        "WORKERS__MAX_FAILED_HEARTBEATS": "24",
        "LOGGING__BASE_LOG_FOLDER": str(layout.logs / "airflow"),
        "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(layout.logs / "airflow" / "dag_processor"),
        "LOGGING__COLORED_CONSOLE_LOG": "False",
    }
    connections = {
        "CLICKSTREAM_KAFKA": {"conn_type": "kafka", "extra": {"bootstrap.servers": servers.kafka.bootstrap()}},
        "CLICKSTREAM_POSTGRES": {
            "conn_type": "postgres",
            "host": LOOPBACK,
            "port": layout.ports["POSTGRES"],
            "schema": "clickstream",
            "login": "clickstream_writer",
            "password": secrets["clickstream_writer"],
        },
        "CLICKSTREAM_SPARK": {"conn_type": "spark", "host": "local[2]", "extra": {"deploy-mode": "client"}},
        # One core: it has time.
        "CLICKSTREAM_SPARK_ARCHIVE": {"conn_type": "spark", "host": "local[1]", "extra": {"deploy-mode": "client"}},
        "CLICKSTREAM_REDIS": {
            "conn_type": "redis",
            "host": LOOPBACK,
            "port": layout.ports["REDIS"],
            "password": secrets["redis"],
            "extra": {"db": 0},
        },
    }
    return {
        "AIRFLOW_HOME": str(layout.state / "airflow"),
        **{f"AIRFLOW__{name}": value for name, value in options.items()},
        **{f"AIRFLOW_CONN_{name}": json.dumps(value) for name, value in connections.items()},
    }


def spark(layout: Layout) -> dict[str, str]:
    """What spark-submit reads; its options are in spark-defaults.conf there."""
    return {
        "SPARK_HOME": str(layout.site_packages / "pyspark"),
        "SPARK_CONF_DIR": str(layout.state / "spark"),
        "SPARK_LOCAL_IP": LOOPBACK,
        "PYSPARK_PYTHON": str(layout.venv / "bin" / "python"),
    }


def superset(layout: Layout, secrets: Mapping[str, str], servers: Servers) -> dict[str, str]:
    """All that Superset may know: its own database, the reader, the live view, where Airflow shows its runs."""
    server = f"{LOOPBACK}:{layout.ports['POSTGRES']}"
    reader = f"clickstream_reader:{secrets['clickstream_reader']}"
    return {
        "SUPERSET_HOME": str(layout.state / "superset"),
        "SUPERSET_CONFIG_PATH": str(layout.root / "include" / "superset" / "superset_config.py"),
        "SUPERSET_SECRET_KEY": secrets["superset_secret_key"],
        "SUPERSET_METADATA_URI": f"postgresql+psycopg2://superset:{secrets['superset_database']}@{server}/superset",
        "SUPERSET_READER_URI": f"postgresql+psycopg2://{reader}@{server}/clickstream",
        "SUPERSET_ADMIN_USER": SUPERSET_USER,
        "SUPERSET_ADMIN_PASSWORD": secrets["superset_admin"],
        "SUPERSET_URL": f"http://{LOOPBACK}:{layout.ports['SUPERSET']}",
        "CLICKSTREAM_AIRFLOW_URL": f"http://{LOOPBACK}:{layout.ports['AIRFLOW']}",
        "CLICKSTREAM_REDIS_URL": servers.redis.url(),
    }


def common() -> dict[str, str]:
    """What every process of ours gets."""
    environment = {
        "TZ": "UTC",
        "MALLOC_ARENA_MAX": "2",  # each further arena holds tens of MB that nobody uses
        "PYTHONUNBUFFERED": "1",
        # Airflow's processes give themselves titles; without this the title overwrites the mark of `supervised`.
        "SPT_NOENV": "1",
    }
    if os.environ.get("JAVA_HOME"):
        environment["JAVA_HOME"] = os.environ["JAVA_HOME"]
    return environment


def as_shell(values: Mapping[str, str]) -> str:
    """The lines of a file for a shell's `.`."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(values.items()))
