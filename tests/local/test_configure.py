"""What `make setup` writes: secrets, environment files, wrappers, the supervisor's list."""

import configparser
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import passwords
from local.configure import configure
from local.layout import DEFAULT_PORTS, Layout
from local.passwords import SecretsError
from local.server import free_port
from local.services import NAMES
from local.supervised import LONGEST_SOCKET, config_file, socket_file

ROOT = Path(__file__).parents[2]


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    root = tmp_path / "a check'out"
    layout = Layout(root, {name: free_port() for name in DEFAULT_PORTS}, {"CLICKSTREAM_TOPIC": "a b"})
    yield layout
    outside = socket_file(layout).parent
    if layout.state not in outside.parents:
        outside.rmdir()


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def test_secrets_are_private_differ_and_never_change(tmp_path: Path):
    first = passwords.ensure(tmp_path / "secrets")
    assert len(set(first.values())) == len(first) == len(passwords.NAMES) + 1
    assert min(map(len, first.values())) >= 32
    assert mode(tmp_path / "secrets") == "0o700"
    assert {mode(file) for file in (tmp_path / "secrets").iterdir()} == {"0o600"}
    assert passwords.ensure(tmp_path / "secrets") == first


def test_a_missing_secret_is_made_and_the_others_stay(tmp_path: Path):
    first = passwords.ensure(tmp_path)
    (tmp_path / "redis").unlink()
    second = passwords.ensure(tmp_path)
    assert second["redis"] != first["redis"]
    assert {**second, "redis": ""} == {**first, "redis": ""}


def test_a_secret_that_others_may_read_or_that_is_empty_is_refused(tmp_path: Path):
    passwords.ensure(tmp_path)
    (tmp_path / "redis").chmod(0o644)
    with pytest.raises(SecretsError, match="can be read by others: chmod 600"):
        passwords.ensure(tmp_path)
    (tmp_path / "redis").chmod(0o600)
    (tmp_path / "redis").write_text("\n")
    with pytest.raises(SecretsError, match="redis is empty"):
        passwords.ensure(tmp_path)


def test_a_shell_reads_the_environment_file(layout: Layout):
    configure(layout)
    load = f". {shlex.quote(str(layout.state / 'env'))}"
    script = f'{load}; echo "$CLICKSTREAM_TOPIC|$CLICKSTREAM_HOME|$AIRFLOW__API__HOST"'
    done = subprocess.run(["sh", "-ec", script], env={}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"a b|{layout.root}|127.0.0.1"


def test_what_holds_secrets_is_private_and_superset_knows_its_own_only(layout: Layout):
    configure(layout)
    for name in ("env", "superset.env", "supervisord.conf", "airflow/passwords.json"):
        assert mode(layout.state / name) == "0o600", name
    secrets = passwords.ensure(layout.secrets)
    known = (layout.state / "superset.env").read_text()
    names = {name for name, value in secrets.items() if value in known}
    assert names == {"superset_secret_key", "superset_database", "superset_admin", "clickstream_reader", "redis"}
    assert not any(value in config_file(layout).read_text() for value in secrets.values())


def test_configuring_again_changes_nothing(layout: Layout):
    def everything() -> dict[Path, str]:
        return {path: path.read_text() for path in layout.state.rglob("*") if path.is_file()}

    configure(layout)
    first = everything()
    configure(layout)
    assert everything() == first


def test_every_service_is_watched_and_started_again(layout: Layout):
    configure(layout)
    config = configparser.RawConfigParser()
    config.read(config_file(layout))
    programs = {name: config[f"program:{name}"] for name in NAMES}
    assert len([name for name in config.sections() if name.startswith("program:")]) == len(NAMES)
    assert {program["autorestart"] for program in programs.values()} == {"true"}
    assert programs["postgres"]["stopsignal"] == "INT"
    assert programs["kafka"]["stopsignal"] == "TERM"


def test_a_wrapper_works_from_any_directory_without_an_environment(layout: Layout, tmp_path: Path):
    configure(layout)
    (layout.venv / "bin").mkdir(parents=True)
    program = layout.venv / "bin" / "airflow"
    program.write_text('#!/bin/sh\necho "$AIRFLOW_HOME $1"\n')
    program.chmod(0o755)
    done = subprocess.run(
        [layout.programs / "airflow", "an argument"], cwd=tmp_path, env={}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"{layout.state / 'airflow'} an argument"


def test_supervisors_socket_fits_however_deep_the_checkout_lies(tmp_path: Path):
    deep = Layout(tmp_path / "/".join(["a-directory-with-a-long-name"] * 6), dict(DEFAULT_PORTS), {})
    path = socket_file(deep)
    assert len(os.fsencode(path)) <= LONGEST_SOCKET
    assert mode(path.parent) == "0o700"
    path.parent.rmdir()
    shallow = Layout(Path("/x"), dict(DEFAULT_PORTS), {})
    assert socket_file(shallow) == Path("/x/.local/run/supervisor.sock")
