"""supervisord with the real Redis under it: start, kill, come back, stop."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local import passwords
from local.configure import configure
from local.layout import DEFAULT_PORTS, Layout
from local.processes import processes
from local.server import free_port, wait_ready
from local.servers import Servers
from local.steps import Steps
from local.stop import clean, down
from local.supervised import is_running
from local.supervisor import Supervisor, SupervisorError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """A checkout so deep that supervisord's socket does not fit into it; its venv is the tests'."""
    deep = tmp_path / "/".join(["a-directory-with-a-long-name"] * 4)
    layout = Layout(deep, {name: free_port() for name in DEFAULT_PORTS}, {})
    layout.state.mkdir(parents=True)
    layout.venv.symlink_to(ROOT / ".local" / "venv")
    yield layout
    down(layout, Steps())
    assert processes(layout) == []


def pid_of(supervisor: Supervisor, name: str) -> int:
    return int(supervisor.states()[name]["pid"])


def test_a_killed_service_comes_back_and_down_leaves_nothing(layout: Layout):
    servers: Servers = configure(layout)
    supervisor = Supervisor(layout)
    supervisor.start_daemon()
    servers.redis.prepare()
    assert supervisor.start("redis") is True
    wait_ready(servers.redis, 30)
    assert supervisor.start("redis") is False, "started again it changes nothing"
    killed = pid_of(supervisor, "redis")
    assert {process.pid for process in processes(layout)} >= {killed}
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while pid_of(supervisor, "redis") in (0, killed):
        assert time.monotonic() < deadline, "redis was not started again"
        time.sleep(0.1)
    wait_ready(servers.redis, 30)
    with pytest.raises(RuntimeError, match="make down first"):
        clean(layout)
    down(layout, Steps())
    assert not is_running(layout)
    assert not psutil.pid_exists(killed)
    assert supervisor.states() == {}


def test_an_unknown_service_is_an_error_that_names_it(layout: Layout):
    configure(layout)
    supervisor = Supervisor(layout)
    supervisor.start_daemon()
    with pytest.raises(SupervisorError, match="nonsense cannot be started"):
        supervisor.start("nonsense")


def test_clean_removes_the_state_only(layout: Layout):
    (layout.root / "README.md").write_text("mine")
    passwords.ensure(layout.secrets)
    clean(layout)
    assert not layout.state.exists()
    assert (layout.root / "README.md").read_text() == "mine"
    assert (ROOT / ".local" / "venv" / "bin" / "python").exists(), "what a link points to stays"
