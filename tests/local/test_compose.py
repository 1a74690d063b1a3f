"""docker-compose.yaml is valid, complete, and opens nothing but loopback."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yaml"


def config(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    program = shutil.which("docker-compose")
    assert program is not None, "this test needs docker-compose: sudo apt-get install docker-compose (make test does)"
    return subprocess.run(
        [program, "--file", COMPOSE, "config"],
        env={"PATH": os.environ["PATH"], **environment}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def required() -> dict[str, str]:
    """A value for every variable that has to be given."""
    return {name: f"test-{name.lower()}" for name in re.findall(r"\$\{(\w+):\?", COMPOSE.read_text())}


def test_the_file_is_valid_and_holds_every_service(required: dict[str, str]):
    done = config(required)
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    assert {name for name, service in services.items() if "profiles" not in service} == {
        "kafka-1", "postgres", "redis", "setup", "airflow-api-server", "airflow-scheduler", "airflow-dag-processor",
        "spark-master", "spark-worker", "superset",
    }  # fmt: skip
    of_cluster = {name for name, service in services.items() if service.get("profiles") == ["cluster"]}
    assert of_cluster == {"kafka-2", "kafka-3"}
    published = [str(port) for service in services.values() for port in service.get("ports", [])]
    assert sorted(published) == ["127.0.0.1:8080:8080/tcp", "127.0.0.1:8088:8088/tcp"]


def test_every_secret_has_to_be_given_and_is_documented(required: dict[str, str]):
    documented = (ROOT / ".env.example").read_text()
    for name in required:
        assert f"# {name}=" in documented, f"{name} is not in .env.example"
        done = config({other: value for other, value in required.items() if other != name})
        assert done.returncode != 0
        assert name in done.stderr


def test_every_image_that_is_built_has_its_dockerfile():
    for service in yaml.safe_load(COMPOSE.read_text())["services"].values():
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file()
