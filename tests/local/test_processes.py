"""Processes of a platform are found by their mark, also when nobody is their parent any more."""

import os
import subprocess
import sys
from pathlib import Path

import psutil

from local.layout import DEFAULT_PORTS, Layout
from local.processes import end, memory_by_service, processes
from local.supervised import MARK

# Starts a child in a session of its own, tells its pid and ends: an orphan.
ORPHAN = """
import subprocess, sys
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(sleep, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(child.pid)
"""


def test_an_orphan_is_found_measured_and_ended(tmp_path: Path):
    layout = Layout(tmp_path, dict(DEFAULT_PORTS), {})
    environment = {**os.environ, MARK: str(layout.state)}
    done = subprocess.run([sys.executable, "-c", ORPHAN], env=environment, capture_output=True, text=True, check=True)
    orphan = int(done.stdout)
    assert [process.pid for process in processes(layout)] == [orphan]
    assert memory_by_service(layout, {"mine": orphan}).keys() == {"mine"}
    assert memory_by_service(layout, {})["other"] > 1_000_000
    assert end(processes(layout), 10) == 1
    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == psutil.STATUS_ZOMBIE


def test_another_checkouts_processes_are_not_ours(tmp_path: Path):
    other = {**os.environ, MARK: str(tmp_path / "other" / ".local")}
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=other)
    try:
        assert processes(Layout(tmp_path / "mine", dict(DEFAULT_PORTS), {})) == []
    finally:
        process.kill()
        process.wait()
