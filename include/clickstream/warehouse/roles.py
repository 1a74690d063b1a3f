"""Roles and databases, least privilege each. Run by a superuser before the migrations; idempotent.

`clickstream_owner` makes the schema, `clickstream_writer` writes rows, `clickstream_reader` selects only. What
each may do with a table is granted by the migrations; here each gets its login, and everybody else loses PUBLIC's.
"""

from collections.abc import Mapping

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

OWNER, WRITER, READER = "clickstream_owner", "clickstream_writer", "clickstream_reader"


def create_warehouse(admin_dsn: str, passwords: Mapping[str, str], database: str = "clickstream") -> None:
    """Make the three roles with `passwords` (by role name) and their database.

    Raises:
        KeyError: a role has no password.
        psycopg.Error: the server cannot be reached or `admin_dsn` is no superuser.
    """
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        for role in (OWNER, WRITER, READER):
            _ensure_role(admin, role, passwords[role])
        _ensure_database(admin, database, OWNER)
        for role in (WRITER, READER):
            _run(admin, "grant connect on database {} to {}", database, role)
        _run(admin, "grant temporary on database {} to {}", database, WRITER)
        # A dashboard's query is never allowed to write, nor to run for ever.
        _run(admin, "alter role {} set default_transaction_read_only = on", READER)
        _run(admin, "alter role {} set statement_timeout = '60s'", READER)
    _close_public_schema(admin_dsn, database)


def create_service_database(admin_dsn: str, name: str, password: str) -> None:
    """Make a role and a database of the same name that it owns (Airflow's and Superset's metadata)."""
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        _ensure_role(admin, name, password)
        _ensure_database(admin, name, name)


def _ensure_role(admin: psycopg.Connection, role: str, password: str) -> None:
    exists = admin.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone()
    if not exists:
        _run(admin, "create role {}", role)
    statement = sql.SQL(
        "alter role {} with login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password {}"
    )
    # The server must never see, log or store the clear text: libpq hashes it here.
    secret = admin.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    admin.execute(statement.format(sql.Identifier(role), sql.Literal(secret)))


def _ensure_database(admin: psycopg.Connection, database: str, owner: str) -> None:
    exists = admin.execute("select 1 from pg_database where datname = %s", (database,)).fetchone()
    if not exists:
        _run(admin, "create database {} owner {}", database, owner)
    _run(admin, "revoke all on database {} from public", database)


def _close_public_schema(admin_dsn: str, database: str) -> None:
    with psycopg.connect(make_conninfo(admin_dsn, dbname=database), autocommit=True) as admin:
        admin.execute("revoke all on schema public from public")


def _run(admin: psycopg.Connection, statement: str, *names: str) -> None:
    """Run a statement of this module with its identifiers quoted."""
    admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
