"""What every local server has in common: how it is started, asked whether it is ready, and stopped.

supervisord and the tests use the same definitions: `command`, `environment`, `stop_signal`, `ready`.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

LOOPBACK = "127.0.0.1"


class NotReadyError(RuntimeError):
    """A server did not answer in time, or ended; the message names its log."""


class Server(Protocol):
    """A program that serves on loopback and keeps its state in one directory."""

    @property
    def name(self) -> str:
        """The name under which it is watched and logged."""

    @property
    def stop_signal(self) -> signal.Signals:
        """The signal that makes it stop in good order."""

    def prepare(self) -> None:
        """Make its directory and configuration. Idempotent; keeps what is there."""

    def command(self) -> list[str]:
        """The program and its arguments; it stays in the foreground."""

    def environment(self) -> dict[str, str]:
        """What it needs in its environment beside the caller's."""

    def ready(self) -> None:
        """Ask it something real.

        Raises:
            Exception: whatever its client raises while it cannot answer.
        """


def free_port() -> int:
    """A TCP port that nobody on loopback listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def wait_ready(server: Server, seconds: float, process: subprocess.Popen[bytes] | None = None) -> None:
    """Poll `server.ready` until it passes.

    Raises:
        NotReadyError: after `seconds`, or at once when `process` has ended.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            server.ready()
            return
        except Exception as error:
            if process is not None and process.poll() is not None:
                raise NotReadyError(f"{server.name} ended with exit code {process.returncode}") from error
            if time.monotonic() > deadline:
                raise NotReadyError(f"{server.name} does not answer after {seconds:.0f} s: {error}") from error
        time.sleep(0.1)


@contextmanager
def running(server: Server, log: Path, seconds: float = 90) -> Iterator[None]:
    """Prepare and start a server, yield when it is ready, stop it at the end whatever happened."""
    server.prepare()
    with log.open("ab") as output:
        process = subprocess.Popen(
            server.command(),
            env={**os.environ, **server.environment()},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the caller; it stops the server itself
        )
    try:
        try:
            wait_ready(server, seconds, process)
        except NotReadyError as error:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise NotReadyError(f"{error}\n{log}:\n{tail}") from error
        yield
    finally:
        _stop(process, server.stop_signal)


def _stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(stop_signal)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
