"""Servers that a test may kill, stop and start again."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Generic, TypeVar

from local.postgres import Postgres
from local.server import Server, wait_ready

START_SECONDS = 120
S = TypeVar("S", bound=Server)


class AuditedPostgres(Postgres):
    """PostgreSQL that remembers when each transaction was committed: invariant I5 is read from that."""

    def command(self) -> list[str]:
        """The platform's own command and one more option."""
        return [*super().command(), "--track_commit_timestamp=on"]


class Restartable(Generic[S]):
    """A server's process. It keeps its port and its data from one start to the next."""

    def __init__(self, server: S, log: Path) -> None:
        self.server = server
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.server.prepare()
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self.server.command(),
                env={**os.environ, **self.server.environment()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_ready(self.server, START_SECONDS, self._process)

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it by a signal; returns when it is gone."""
        if self._process is not None:
            self.signal(signal.SIGCONT)
            self.signal(number)
            self._process.wait(60)
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send its main process a signal."""
        assert self._process is not None, f"{self.server.name} does not run"
        self._process.send_signal(number)
