"""What was last applied to a Superset, kept in one table beside its metadata; read without loading Superset."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

_LOCK = "clickstream_superset.setup"
_CREATE = """
create table if not exists clickstream_superset_setup (
    only_row boolean primary key default true check (only_row),
    fingerprint text not null,
    owned json not null,
    applied_at timestamptz not null default now()
)
"""
_READ = "select fingerprint, owned from clickstream_superset_setup"
_WRITE = """
insert into clickstream_superset_setup (fingerprint, owned) values (:fingerprint, :owned)
on conflict (only_row) do update
set fingerprint = excluded.fingerprint, owned = excluded.owned, applied_at = now()
"""
# Superset's tables of the kinds of a bundle.
_TABLES = {"databases": "dbs", "datasets": "tables", "charts": "slices", "dashboards": "dashboards"}


class Applied(NamedTuple):
    """The fingerprint of what was applied, and per kind the uuids that it owns."""

    fingerprint: str
    owned: dict[str, list[str]]


@contextmanager
def locked(metadata_uri: str) -> Iterator[Connection]:
    """A connection to the metadata database that holds the setup's lock: a second setup waits for the first."""
    engine = create_engine(metadata_uri, poolclass=NullPool, connect_args={"connect_timeout": 5}, future=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("select pg_advisory_lock(hashtext(:name))"), {"name": _LOCK})
        connection.execute(text(_CREATE))
        yield connection


def read(connection: Connection) -> Applied | None:
    """What was last applied, or None on a new database."""
    row = connection.execute(text(_READ)).first()
    return None if row is None else Applied(row.fingerprint, row.owned)


def write(connection: Connection, applied: Applied) -> None:
    """Keep what was applied."""
    connection.execute(
        text(_WRITE), {"fingerprint": applied.fingerprint, "owned": json.dumps(applied.owned, sort_keys=True)}
    )


def is_complete(connection: Connection, owned: dict[str, list[str]]) -> bool:
    """Whether every owned object is still there: what somebody deleted by hand is to be imported again."""
    for kind, uuids in owned.items():
        query = text(f"select count(*) from {_TABLES[kind]} where uuid::text = any(:uuids)")  # noqa: S608
        if connection.execute(query, {"uuids": uuids}).scalar() != len(uuids):
            return False
    return True
