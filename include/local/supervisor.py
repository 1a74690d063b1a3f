"""supervisord: started as a daemon, asked and told over its socket."""

import subprocess
import time
import xmlrpc.client
from typing import Any, cast

from supervisor.xmlrpc import Faults, SupervisorTransport

from local.layout import Layout
from local.supervised import config_file, is_running, socket_file


class SupervisorError(RuntimeError):
    """supervisord, or a service under it, does not do what it was told; the message names the log."""


class Supervisor:
    """A connection to this checkout's supervisord."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @property
    def _rpc(self) -> Any:
        """A connection for one call: they are not safe to share between threads."""
        transport = SupervisorTransport(None, None, f"unix://{socket_file(self._layout)}")
        return cast(Any, xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)).supervisor

    def start_daemon(self) -> None:
        """Start supervisord, unless it runs, and wait until it answers.

        Raises:
            SupervisorError: it ends at once or does not answer within 15 s.
        """
        if not is_running(self._layout):
            program = self._layout.venv / "bin" / "supervisord"
            done = subprocess.run(
                [str(program), "--configuration", str(config_file(self._layout))],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode != 0:
                raise SupervisorError(f"supervisord does not start: {(done.stdout + done.stderr).strip()}")
        deadline = time.monotonic() + 15
        while not self.answers():
            if time.monotonic() > deadline:
                raise SupervisorError(f"supervisord does not answer; see {self._layout.logs / 'supervisord.log'}")
            time.sleep(0.1)

    def answers(self) -> bool:
        """Is it there?"""
        try:
            self._rpc.getState()
        except (OSError, xmlrpc.client.Error):
            return False
        return True

    def states(self) -> dict[str, dict[str, Any]]:
        """Each service's `statename`, `pid`, `start` (Unix seconds), `spawnerr` …; empty when nothing runs."""
        try:
            return {info["name"]: info for info in self._rpc.getAllProcessInfo()}
        except (OSError, xmlrpc.client.Error):
            return {}

    def start(self, name: str) -> bool:
        """Start a service without waiting; False when it runs already.

        Raises:
            SupervisorError: it cannot be started.
        """
        try:
            self._rpc.startProcess(name, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == Faults.ALREADY_STARTED:
                return False
            raise SupervisorError(
                f"{name} cannot be started ({fault.faultString}); see {self._layout.logs / f'{name}.log'}"
            ) from fault
        return True

    def stop(self, name: str) -> None:
        """Stop a service and wait until it has ended."""
        try:
            self._rpc.stopProcess(name, True)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != Faults.NOT_RUNNING:
                raise SupervisorError(f"{name} does not stop: {fault.faultString}") from fault

    def shutdown(self) -> None:
        """End supervisord itself."""
        self._rpc.shutdown()
