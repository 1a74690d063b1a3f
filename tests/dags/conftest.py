"""Airflow for tests: its own home and database, the checkout's dags/ and plugins/, connections from the environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sql_warehouse import warehouse

__all__ = ["warehouse"]

ROOT = Path(__file__).parents[2]


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


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """plugins/ on the path, as Airflow puts it there."""
    monkeypatch.syspath_prepend(str(ROOT / "plugins"))
    monkeypatch.setenv("CLICKSTREAM_HOME", str(ROOT))
