"""Which account PostgreSQL gets when we are root, and what it needs to reach its data."""

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from local.account import account_of, run_as


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A directory that others may not enter, with one in it that they might."""
    (tmp_path / "closed" / "open").mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    return tmp_path / "closed" / "open"


def test_without_root_nothing_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert account_of(tmp_path) is None
    assert run_as(None, tmp_path) == []


def test_a_command_runs_unprivileged_and_still_enters_closed_directories(closed: Path):
    account = account_of(closed)
    words = run_as(account, closed / "data")
    done = subprocess.run([*words, "sh", "-c", f"id -u; ls -d '{closed}'"], capture_output=True, text=True, check=True)
    expected = os.geteuid() if account is None else account.pw_uid
    assert done.stdout.split("\n")[:2] == [str(expected), str(closed)]
    if os.geteuid() == 0:
        assert expected != 0


def test_an_open_path_needs_no_capability():
    account = pwd.getpwnam("nobody")
    assert not any("caps" in word for word in run_as(account, Path("/usr/bin")))
