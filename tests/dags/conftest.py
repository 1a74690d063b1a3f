"""Airflow for tests: its own home and database, the checkout's dags/ and plugins/, connections from the environment."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sql_warehouse import warehouse

__all__ = ["warehouse"]

ROOT = Path(__file__).parents[2]
# Loaded in a process of its own, as Airflow's DAG processor does.
LOAD = """
import json, sys
import airflow.settings
airflow.settings.initialize()
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

for _ in range(2):
    bag = DagBag(dag_folder=sys.argv[1])
    print(json.dumps({
        "errors": bag.import_errors,
        "files": {name.file.lstrip("/"): sorted(json.loads(name.dags.replace("'", '"'))) for name in bag.dagbag_stats},
        "warnings": sum(stat.warning_num for stat in bag.dagbag_stats),
        "dags": {
            dag_id: {
                "timetable": type(dag.timetable).__name__,
                "expression": getattr(dag.timetable, "expression", None),
                "catchup": dag.catchup,
                "max_active_runs": dag.max_active_runs,
                "params": {name: param.description for name, param in dag.params.items()},
                "rules": {name: {"default": param.value, **param.schema} for name, param in dag.params.items()},
                "pools": {t.task_id: t.pool for t in dag.tasks},
                "doc": dag.doc_md or "",
                "tasks": {
                    t.task_id: [type(t).__name__, sorted(t.downstream_task_ids), getattr(t, "conn_id", None)]
                    for t in dag.tasks
                },
                "assets": {
                    t.task_id: [sorted(a.name for a in t.inlets), sorted(a.name for a in t.outlets)] for t in dag.tasks
                },
                "serialized": DagSerialization.serialize_dag(dag),
            }
            for dag_id, dag in bag.dags.items()
        },
    }, default=str))
"""


@pytest.fixture(scope="session")
def airflow_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an Airflow whose metadata database (SQLite) is migrated."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL": "error",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "CLICKSTREAM_HOME": str(ROOT),
    }
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=environment,
        check=True,
        capture_output=True,
        timeout=300,
    )
    return environment


@pytest.fixture(scope="session")
def loaded(airflow_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What the DAG processor finds in dags/: files, errors, and of each DAG what the tests look at."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(ROOT / "dags")],
        env=airflow_environment,
        cwd=tmp_path_factory.mktemp("elsewhere"),  # nothing may depend on where Airflow runs
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    first, second = (json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"errors"'))
    assert first == second, "a DAG that differs from parse to parse makes a new version each time"
    return first


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """plugins/ on the path, as Airflow puts it there."""
    monkeypatch.syspath_prepend(str(ROOT / "plugins"))
    monkeypatch.setenv("CLICKSTREAM_HOME", str(ROOT))


@pytest.fixture
def spark_environment(spark_jars: Path, tmp_path: Path) -> dict[str, str]:
    """What spark-submit reads beside spark_jobs/spark-defaults.conf."""
    host = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraClassPath": f"{spark_jars}/*",
        "spark.ui.enabled": "false",
        "spark.sql.warehouse.dir": tmp_path / "warehouse",
    }
    (tmp_path / "spark-defaults.conf").write_text("".join(f"{name} {value}\n" for name, value in host.items()))
    return {"PYSPARK_PYTHON": sys.executable, "SPARK_CONF_DIR": str(tmp_path), "SPARK_LOCAL_IP": "127.0.0.1"}
