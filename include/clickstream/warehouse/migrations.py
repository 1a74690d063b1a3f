"""The schema's numbered migrations (sql/schema/*.sql), applied in order and once by yoyo."""

from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict
from yoyo import get_backend, read_migrations


def migrate(owner_dsn: str, directory: Path) -> list[str]:
    """Apply what is new in `directory` as the role of `owner_dsn` (a libpq string), each file in a transaction.

    Returns:
        The names of the files that were applied, in order; empty when there was nothing to do.

    Raises:
        FileNotFoundError: `directory` has no migrations (a wrong directory would else look like success).
    """
    migrations = read_migrations(str(directory))
    if not migrations:
        raise FileNotFoundError(f"no migrations in {directory}: set CLICKSTREAM_HOME to the checkout")
    backend = get_backend(_url(owner_dsn))
    try:
        with backend.lock():  # two callers at once: the second waits, then finds nothing to do
            pending = backend.to_apply(migrations)
            backend.apply_migrations(pending)
        return [migration.id for migration in pending]
    finally:
        backend.connection.close()


def _url(dsn: str) -> str:
    part = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    user, password = quote(part["user"], safe=""), quote(part.get("password", ""), safe="")
    host, port = part.get("host", "127.0.0.1"), part.get("port", "5432")
    return f"postgresql+psycopg://{user}:{password}@{host}:{port}/{quote(part['dbname'], safe='')}"
