"""Who is compared: how each is started, and the environment that Bytewax needs."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.spark import SparkJob

ROOT = Path(__file__).parents[1]
BYTEWAX_VENV = ROOT / ".local" / "bench-venv"
BYTEWAX_REQUIREMENTS = Path(__file__).parent / "baselines" / "requirements.txt"


@dataclass(frozen=True)
class Contender:
    """One that drains the topic; `share` of the input is what it is given time for."""

    name: str
    title: str
    share: float = 1.0

    def start(self, environment: Mapping[str, str], log: Path, batch: int) -> "SparkJob | Program":
        """Start it against the servers of `environment`; `batch`: records a transaction, where it has that option."""
        if self.name == "stream":
            return SparkJob(ROOT, "stream.py", ROOT / ".local" / "jars", environment, log)
        if self.name == "bytewax":
            return Program([str(BYTEWAX_VENV / "bin" / "python"), "-m", "baselines.bytewax_flow"], environment, log)
        command = [sys.executable, "-m", "baselines.handwritten", "--batch", str(batch)]
        return Program([*command, *(["--ids-only"] if self.name == "ids-only" else [])], environment, log)


class Program:
    """A baseline in a session of its own; the same handle as SparkJob."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=Path(__file__).parent,
                env={**os.environ, "PYTHONPATH": str(ROOT / "include"), "MALLOC_ARENA_MAX": "2", **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def running(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def stop(self, seconds: float = 60) -> int:
        """Ask it to end; its exit code."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds)

    def close(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=60)


def install_bytewax() -> None:
    """Make Bytewax's environment when it is not there, or not of these requirements."""
    stamp, wanted = BYTEWAX_VENV / ".stamp", hashlib.sha256(BYTEWAX_REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"installing Bytewax into {BYTEWAX_VENV.relative_to(ROOT)} …", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(BYTEWAX_VENV)], check=True)
    pip = [str(BYTEWAX_VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(BYTEWAX_REQUIREMENTS)], check=True, stdout=sys.stderr)
    stamp.write_text(wanted)
