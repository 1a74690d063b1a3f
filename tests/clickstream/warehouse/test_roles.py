"""Least privilege, and that making roles and schema twice changes nothing."""

from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction

from clickstream.warehouse.migrations import migrate
from clickstream.warehouse.roles import OWNER, READER, WRITER, create_service_database, create_warehouse

ROOT = Path(__file__).parents[3]
INSERT = "insert into clickstream.page_minute (minute, page_path, is_bot, views) values (now(), '/', false, 1)"


def run(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(statement)


def test_the_writer_writes_rows_and_makes_no_tables(database):
    run(database.writer, INSERT)
    run(database.writer, "create temporary table scratch (x integer) on commit drop")
    for statement in (
        "create table clickstream.mine (x integer)",
        "create table public.mine (x integer)",
        "drop table clickstream.page_minute",
        "alter table clickstream.page_minute add column x integer",
    ):
        with pytest.raises(InsufficientPrivilege):
            run(database.writer, statement)


def test_the_reader_reads_and_writes_nothing_even_if_it_says_so(database):
    run(database.reader, "select count(*) from clickstream.page_minute")
    with pytest.raises(ReadOnlySqlTransaction):
        run(database.reader, INSERT)
    for statement in (INSERT, "create temporary table scratch (x integer)", "delete from clickstream.sessions"):
        with pytest.raises(InsufficientPrivilege):
            run(database.reader, f"set session characteristics as transaction read write; commit; {statement}")


def test_no_role_is_more_than_it_has_to_be(postgres):
    with psycopg.connect(postgres.admin_dsn()) as connection:
        rows = connection.execute(
            "select rolname, rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls"
            " from pg_roles where rolname = any(%s) order by 1",
            ([OWNER, WRITER, READER],),
        ).fetchall()
    assert rows == [(OWNER, False), (READER, False), (WRITER, False)]


def test_a_services_role_does_not_reach_the_warehouse(postgres, database):
    create_service_database(postgres.admin_dsn(), "test_service", "secret")
    create_service_database(postgres.admin_dsn(), "test_service", "secret")
    run(postgres.dsn("test_service", "test_service", "secret"), "create table mine (x integer)")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        run(postgres.dsn(database.name, "test_service", "secret"), "select 1")


def test_roles_and_migrations_twice_change_nothing(postgres, database):
    passwords = {role: f"test-{role}" for role in (OWNER, WRITER, READER)}
    run(database.writer, INSERT)
    create_warehouse(postgres.admin_dsn(), passwords, database.name)
    assert migrate(database.owner, ROOT / "sql" / "schema") == []
    with psycopg.connect(database.reader) as connection:
        assert connection.execute("select count(*) from clickstream.page_minute").fetchone() == (1,)


def test_migrations_apply_in_order_to_an_empty_database(postgres):
    passwords = {role: f"test-{role}" for role in (OWNER, WRITER, READER)}
    create_warehouse(postgres.admin_dsn(), passwords, "test_empty")
    applied = migrate(postgres.dsn("test_empty", OWNER, passwords[OWNER]), ROOT / "sql" / "schema")
    assert applied == sorted(file.stem for file in (ROOT / "sql" / "schema").glob("*.sql"))


def test_a_failing_migration_leaves_nothing_behind(database, tmp_path: Path):
    (tmp_path / "9001.half.sql").write_text("create table clickstream.half (x integer);\nselect 1 / 0;\n")
    with pytest.raises(Exception, match="division by zero"):
        migrate(database.owner, tmp_path)
    with psycopg.connect(database.owner) as connection:
        assert connection.execute("select to_regclass('clickstream.half')").fetchone() == (None,)


def test_a_directory_without_migrations_is_an_error(database, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="set CLICKSTREAM_HOME"):
        migrate(database.owner, tmp_path)
