"""Each problem of the machine is named with its mend."""

import socket
import stat
import subprocess
from pathlib import Path

import pytest

from local import checks, install
from local.checks import ProblemError
from local.layout import DEFAULT_PORTS, Layout
from local.server import LOOPBACK, free_port
from local.steps import Steps

ROOT = Path(__file__).parents[2]


def fake_program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ("nonsense", None),
    ],
)
def test_the_version_of_java_is_read(said: str, version: int | None):
    assert checks.java_version(said) == version


def test_this_machines_java_is_accepted():
    assert checks.check_java() in ("17", "21")


def test_a_wrong_java_is_named_with_the_install_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fake_program(tmp_path / "bin" / "java", "echo 'openjdk version \"11.0.2\"' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ProblemError, match=r"bin/java is Java 11;.* need 17.*apt-get install openjdk-17-jre-headless"):
        checks.check_java()


def test_a_missing_java_is_named_with_the_install_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProblemError, match=r"Java is missing(?s:.*)openjdk-17-jre-headless(?s:.*)INSTALL_JAVA=1"):
        checks.check_java()


def test_a_wrong_python_is_told_what_to_install(tmp_path: Path):
    """The bootstrap's own text, run by a Python that claims to be another."""
    code = "import sys; sys.version_info = (3, 9, 2); sys.argv = ['x']; from local.bootstrap import main; main()"
    done = subprocess.run(
        ["python3", "-c", code], env={"PYTHONPATH": str(ROOT / "include"), "PATH": "/usr/bin:/bin:/usr/local/bin"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Python 3.11 is needed, this is 3.9" in done.stderr
    assert "make up PYTHON=" in done.stderr


def test_a_full_disk_is_named(tmp_path: Path):
    with pytest.raises(ProblemError, match=r"GB free, 1000000 GB are needed: make room"):
        checks.check_disk(tmp_path / "not" / "there" / "yet", needed_gb=1e6)


def test_every_taken_port_is_named_and_the_others_are_not(tmp_path: Path):
    with socket.create_server((LOOPBACK, 0)) as one, socket.create_server((LOOPBACK, 0)) as two:
        ports = {name: free_port() for name in DEFAULT_PORTS}
        ports |= {"REDIS": one.getsockname()[1], "KAFKA": two.getsockname()[1]}
        with pytest.raises(ProblemError) as problem:
            checks.check_ports(Layout(tmp_path, ports, {}))
    lines = [line.strip() for line in str(problem.value).splitlines() if "CLICKSTREAM_PORT_" in line]
    assert lines == [f"CLICKSTREAM_PORT_KAFKA={ports['KAFKA']}", f"CLICKSTREAM_PORT_REDIS={ports['REDIS']}"]
    assert "choose other ports in .env" in str(problem.value)


def test_free_ports_pass(tmp_path: Path):
    checks.check_ports(Layout(tmp_path, {name: free_port() for name in DEFAULT_PORTS}, {}))


def test_a_registry_that_cannot_be_reached_is_told_with_its_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PIP_INDEX_URL", f"http://{LOOPBACK}:{free_port()}/")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    layout = Layout(tmp_path, DEFAULT_PORTS, {})
    layout.logs.mkdir(parents=True)
    with pytest.raises(install.InstallError, match=r"cannot install from the package registry\. Check the network"):
        install._tools(layout, Steps())
