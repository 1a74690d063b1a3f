"""What a slice costs does not grow with what is stored: counted in rows of `sessions` that are read and written.

The same shapes at full size, through Spark and with its memory measured, are in tests/faults/test_skew.py.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

import skew
from builders import NOON_MS, event, piece
from clickstream.warehouse import ledger
from clickstream.warehouse.apply import Slice
from clickstream.warehouse.writer import Writer
from waiting import wait_until

from .conftest import RULES, TOPIC

EVENTS, SLICE = 50_000, 10_000
WORK = """
select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0), n_tup_ins, n_tup_upd + n_tup_del
from pg_stat_user_tables where schemaname = 'clickstream' and relname = 'sessions'
"""
WRITERS = """
select pid from pg_stat_activity
where application_name like 'clickstream-stream:%' and datname = current_database()
"""


VACUUMS = "select pid from pg_stat_activity where backend_type = 'autovacuum worker'"


@pytest.fixture(autouse=True)
def nobody_else_reads(database: Any) -> Iterator[None]:
    """Autovacuum, which also summarises BRIN ranges, would be counted as the slice's work."""
    with psycopg.connect(database.admin, autocommit=True) as admin:
        admin.execute("alter system set autovacuum = off")
        admin.execute("select pg_reload_conf()")
        wait_until(lambda: not admin.execute(VACUUMS).fetchall(), "the end of autovacuum", 60)
        yield
        admin.execute("alter system reset autovacuum")
        admin.execute("select pg_reload_conf()")


@dataclass(frozen=True)
class Work:
    """Rows of `sessions`: `read` (those that an index or a scan brought up), `added`, `replaced`."""

    read: int
    added: int
    replaced: int


def work_of(dsn: str, connection: psycopg.Connection, part: Slice) -> Work:
    """Apply a slice and tell what PostgreSQL did to the sessions for it."""
    before = _counted(connection)
    writer = Writer(dsn, ledger.acquire(connection, "test"), RULES)
    writer.apply(part)
    writer.close()  # a backend reports its work when it ends
    after = _counted(connection)
    return Work(*(new - old for new, old in zip(after, before, strict=True)))


def _counted(connection: psycopg.Connection) -> tuple[int, ...]:
    wait_until(lambda: not connection.execute(WRITERS).fetchall(), "the writer's connection to end", 60)
    row = connection.execute(WORK).fetchone()
    assert row is not None
    return row


def slices(records: Iterable[tuple[bytes, bytes]]) -> list[Slice]:
    """Records as slices of one partition."""
    values = [value for _, value in records]
    return [
        piece(TOPIC, [*values[first : first + SLICE]], first=first, kafka_ms=NOON_MS)
        for first in range(0, len(values), SLICE)
    ]


def test_one_user_with_all_events_is_one_row_that_each_slice_replaces(
    database: Any, connection: psycopg.Connection
) -> None:
    works = [work_of(database.writer, connection, part) for part in slices(skew.one_user(EVENTS, NOON_MS))]
    assert works[0] == Work(read=0, added=1, replaced=0)
    assert all(max(work.added, work.replaced) == 1 for work in works[1:])
    assert all(work.read <= 5 for work in works)
    [session] = connection.execute(
        "select user_id, events, page_views, extract(epoch from ended_at - started_at)::int, quarantined, engaged,"
        " bot, cardinality(path_at), exit_page, path from sessions"
    ).fetchall()
    path = [skew.page(number) for number in range(100)]
    assert session == ("only", EVENTS, EVENTS, EVENTS - 1, True, True, "regular", 100, skew.page(EVENTS - 1), path)
    # 49,999 seconds back from noon are 833 whole minutes and a part of one more, and noon's own.
    counts = "select sum(events)::int, count(*)::int from traffic_minute"
    assert connection.execute(counts).fetchall() == [(EVENTS, 835)]


def test_as_many_users_as_events_are_as_many_rows_written_once(database: Any, connection: psycopg.Connection) -> None:
    records = skew.many_users(EVENTS, NOON_MS, 3_600_000)
    works = [work_of(database.writer, connection, part) for part in slices(records)]
    assert works == [Work(read=0, added=SLICE, replaced=0)] * (EVENTS // SLICE)
    rows = connection.execute("select events, quarantined, engaged, count(*)::int from sessions group by 1, 2, 3")
    assert rows.fetchall() == [(1, False, False, EVENTS)]
    assert connection.execute("select count(distinct user_id)::int from sessions").fetchall() == [(EVENTS,)]
    assert connection.execute("select sum(events)::int from traffic_minute").fetchall() == [(EVENTS,)]
    links = "select step::int, source, target, sum(sessions)::int from journey_links group by 1, 2, 3"
    assert connection.execute(links).fetchall() == [(1, "Product", "(exit)", EVENTS)]


@pytest.mark.parametrize("analyzed", [False, True], ids=["before ANALYZE", "after ANALYZE"])
def test_a_user_with_twenty_thousand_sessions_costs_a_slice_no_more_than_another(
    database: Any, connection: psycopg.Connection, analyzed: bool
) -> None:
    """Whether the planner knows the table or not. Years ago, so that all days share one partition."""
    sessions, apart, years_ago = 20_000, 7_200, -15 * 365 * 86_400
    history = [event(number, years_ago + number * apart) for number in range(sessions)]
    assert work_of(database.writer, connection, piece(TOPIC, [*history])).added == sessions
    if analyzed:
        with psycopg.connect(database.admin, autocommit=True) as admin:
            admin.execute("analyze clickstream.sessions")
    middle = years_ago + 10_000 * apart
    fresh = [
        event(30_001, middle + 60),  # extends one
        event(30_002, middle + apart + 1_800), event(30_003, middle + apart + 3_600),
        event(30_004, middle + apart + 5_400),  # joins two
        event(30_005, middle + 10 * apart + 3_600),  # stands alone between two
        event(30_006, years_ago + sessions * apart),  # after all others
        event(30_007, 0, user="bob"),
    ]  # fmt: skip
    work = work_of(database.writer, connection, piece(TOPIC, [*fresh], first=sessions))
    assert work.replaced == 3
    assert work.added <= 5
    assert work.read <= 20
    counts = "select events, count(*)::int from sessions where user_id = 'ann' group by 1 order by 1"
    assert connection.execute(counts).fetchall() == [(1, sessions - 3 + 2), (2, 1), (5, 1)]
