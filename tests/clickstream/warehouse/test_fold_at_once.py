"""Two slices in two transactions at the same time, on two connections, in an order that the test decides.

A third connection holds a row that the first slice changes near its end (a minute's count): the first slice then
waits with everything else written and uncommitted, until the test lets it go on, or ends its connection.
"""

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from builders import encoded, event, event_id, piece
from clickstream.warehouse import ledger
from clickstream.warehouse.apply import Applied, Slice
from clickstream.warehouse.writer import Writer
from local.postgres import Postgres
from waiting import wait_until

from .conftest import RULES, TOPIC

Event = dict[str, Any]
HELD_MINUTE = event(900, -600)  # its counts are there before the slices and are the row that is held
NOBODY = "nobody"
# The writers' connections that wait, and whose locks they wait for.
WAITING = """
select pid, pg_blocking_pids(pid) from pg_stat_activity
where application_name like 'clickstream-stream:%' and datname = current_database() and wait_event_type = 'Lock'
"""
SESSION = "select events, page_views, path from sessions where user_id = 'ann'"
# Of ann: everybody else sees the home page alone.
LINKS = """
select step::int, source, target, sessions::int from journey_links
where sessions <> 0 and source <> 'Home' order by step, source, target
"""
COUNTS = "select partition, accepted, duplicate, rejected from stream_slices where topic = 'events' order by partition"


class Applying:
    """A slice that a thread applies through a writer of its own."""

    def __init__(self, dsn: str, epoch: int, part: Slice) -> None:
        self.result: Applied | None = None
        self.error: BaseException | None = None
        self._writer = Writer(dsn, epoch, RULES, patience_seconds=60)
        self._thread = threading.Thread(target=self._work, args=[part], daemon=True)
        self._thread.start()

    def _work(self, part: Slice) -> None:
        try:
            self.result = self._writer.apply(part)
        except BaseException as error:
            self.error = error

    def finished(self) -> Applied:
        """Wait for its end."""
        self._thread.join(60)
        assert not self._thread.is_alive(), "the slice is still waiting"
        self._writer.close()
        if self.error is not None:
            raise self.error
        assert self.result is not None
        return self.result


class Stage:
    """Two partitions, a held row, and slices that meet."""

    def __init__(self, dsn: str, connection: psycopg.Connection) -> None:
        self._dsn = dsn
        self.connection = connection
        self.epoch = ledger.acquire(connection, "test")
        writer = Writer(dsn, self.epoch, RULES)
        writer.apply(piece(TOPIC, [HELD_MINUTE | {"user_id": NOBODY}]))
        writer.close()
        connection.execute("delete from stream_slices")
        self._holder = psycopg.connect(dsn, options="-c search_path=clickstream")
        held_row = "select from traffic_minute where minute = date_trunc('minute', %s::timestamptz) for update"
        self._holder.execute(held_row, [HELD_MINUTE["event_time"]])
        self._applying: list[Applying] = []

    def apply(self, partition: int, events: list[Event]) -> Applying:
        """Begin to apply a slice; partition 0 has one record already."""
        return self.apply_piece(piece(TOPIC, [*events], partition, first=1 - partition))

    def apply_piece(self, part: Slice) -> Applying:
        """Begin to apply any slice."""
        self._applying.append(Applying(self._dsn, self.epoch, part))
        return self._applying[-1]

    def waiting(self) -> dict[int, list[int]]:
        return dict(self.connection.execute(WAITING).fetchall())

    def first_holds(self) -> int:
        """Wait until a slice stands before the held row; its backend's pid."""
        [pid] = wait_until(self.waiting, "the first slice at the held row", 60)
        return int(pid)

    def second_waits_for(self, first: int) -> None:
        """Wait until another slice waits for the first one's transaction."""
        wait_until(lambda: [first] in self.waiting().values(), "the second slice behind the first", 60)

    def let_go(self) -> None:
        """Give the held row back."""
        self._holder.rollback()

    def deadlocks(self) -> int:
        """How many PostgreSQL has ended in this database; a backend reports its own when it is gone."""
        writers = "select pid from pg_stat_activity where application_name like 'clickstream-stream:%'"
        own = f"{writers} and datname = current_database()"
        wait_until(lambda: not self.connection.execute(own).fetchall(), "the writers' connections to end", 60)
        count = "select deadlocks from pg_stat_database where datname = current_database()"
        [(deadlocks,)] = self.connection.execute(count).fetchall()
        return int(deadlocks)

    def close(self) -> None:
        self._holder.close()
        for applying in self._applying:
            applying.finished()


@pytest.fixture
def stage(database: Any, connection: psycopg.Connection) -> Iterator[Stage]:
    stage = Stage(database.writer, connection)
    yield stage
    stage.close()


def held(number: int) -> Event:
    """An event of another user in the held minute: who brings it waits there."""
    return event(number, -600, user="eve")


def rows(stage: Stage, query: str) -> list[Any]:
    return stage.connection.execute(query).fetchall()


@pytest.mark.parametrize("first", [0, 1])
def test_one_user_in_two_slices_is_merged_into_one_session(stage: Stage, first: int) -> None:
    """The second slice must see the session that the first has written, whichever partition is first."""
    events = [event(number, number, page_url=f"/{number}") for number in range(1, 21)]
    halves = [events[::2], events[1::2]]
    leading = stage.apply(first, [*halves[first], held(800)])
    pid = stage.first_holds()
    following = stage.apply(1 - first, halves[1 - first])
    stage.second_waits_for(pid)
    stage.let_go()
    assert (leading.finished().accepted, following.finished().accepted) == (11, 10)
    assert rows(stage, SESSION) == [(20, 20, [f"/{number}" for number in range(1, 21)])]
    # A page a second, twenty times: neither half alone tells the bot, and the first one's links are taken back.
    assert rows(stage, "select bot from sessions where user_id = 'ann'") == [("regular",)]
    assert rows(stage, "select kind from session_anomalies") == [("bot_like",)]
    assert rows(stage, LINKS) == []


def test_the_second_slice_joins_sessions_that_the_first_has_just_extended(stage: Stage) -> None:
    """Three sessions stand; one slice extends the left one, the other closes both holes at the same time."""
    early = [event(1, -7_200, page_url="/a"), event(2, -3_600, page_url="/c"), event(3, 0, page_url="/e")]
    stage.apply(1, early).finished()
    assert len(rows(stage, SESSION)) == 3
    leading = stage.apply(0, [event(4, -7_100, page_url="/b"), held(800)])
    pid = stage.first_holds()
    following = piece(TOPIC, [event(5, -5_400, page_url="/b2"), event(6, -1_800, page_url="/d")], 1, first=3)
    joining = stage.apply_piece(following)
    stage.second_waits_for(pid)
    stage.let_go()
    leading.finished()
    joining.finished()
    assert rows(stage, SESSION) == [(6, 6, ["/a", "/b", "/b2", "/c", "/d", "/e"])]
    steps = ["/a", "/b", "/b2", "Category", "/d", "/e"]
    assert rows(stage, LINKS) == [(n + 1, steps[n], steps[n + 1], 1) for n in range(5)]


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("content", ["same", "other"])
def test_one_id_in_two_slices_is_accepted_once(stage: Stage, first: int, content: str) -> None:
    """Who commits first has the event; the other's copy is a duplicate, or a conflict when it says something else."""
    copies = [event(1, 0), event(1, 0, kind="page_view" if content == "same" else "click")]
    leading = stage.apply(first, [copies[first], held(800)])
    pid = stage.first_holds()
    following = stage.apply(1 - first, [event(2, 5), copies[1 - first], event(3, 10)])
    stage.second_waits_for(pid)
    stage.let_go()
    leading.finished()
    following.finished()
    repeated, refused = (1, 0) if content == "same" else (0, 1)
    expected = {first: (first, 2, 0, 0), 1 - first: (1 - first, 2, repeated, refused)}
    assert rows(stage, COUNTS) == [expected[0], expected[1]]
    stored = rows(stage, "select event_type from events where event_id = '" + event_id(1) + "'")
    assert stored == [(copies[first]["event_type"],)]
    second_place = (1 - first, first + 1, "conflict", encoded(copies[1 - first]))
    letters = rows(stage, "select partition, kafka_offset, reason, payload from dead_letters")
    assert letters == ([second_place] if refused else [])
    assert rows(stage, "select sum(events)::int from traffic_minute") == [(1 + 4,)]


def test_slices_that_meet_in_an_id_tell_it_to_no_log(
    stage: Stage, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL says which key is there already: to its client, and by default to its log."""
    log = postgres.data.parent / "postgres.log"
    before = log.stat().st_size
    leading = stage.apply(0, [event(7_301, 0), held(800)])
    pid = stage.first_holds()
    following = stage.apply(1, [event(7_301, 0)])
    stage.second_waits_for(pid)
    stage.let_go()
    leading.finished()
    following.finished()
    servers = log.read_bytes()[before:].decode()
    assert "duplicate key value" in servers
    assert "a slice is tried again: UniqueViolation" in caplog.text
    assert event_id(7_301) not in servers + caplog.text


def test_an_id_whose_first_slice_dies_is_the_second_ones(stage: Stage) -> None:
    """The first slice's connection ends before its commit: nothing of it stays, and it comes again."""
    leading = stage.apply(0, [event(1, 0), held(800)])
    pid = stage.first_holds()
    following = stage.apply(1, [event(1, 0), event(2, 5)])
    stage.second_waits_for(pid)
    stage.connection.execute("select pg_terminate_backend(%s)", [pid])
    stage.let_go()
    counts = [leading.finished(), following.finished()]
    assert [(applied.read, applied.rejected) for applied in counts] == [(2, 0), (2, 0)]
    assert (sum(a.accepted for a in counts), sum(a.duplicate for a in counts)) == (3, 1)
    assert rows(stage, SESSION) == [(2, 2, ["/", "/"])]
    assert rows(stage, "select sum(events)::int from traffic_minute") == [(1 + 3,)]


def test_ids_are_taken_in_one_order_whatever_order_they_came_in(database: Any, stage: Stage) -> None:
    """Two slices bring the same ids in opposite orders, and meet in the middle of writing them: no deadlock."""
    with psycopg.connect(database.writer, options="-c search_path=clickstream") as other:
        other.execute("insert into event_ids values (%s, '2026-06-01', 9, 9, 9)", [event_id(2)])
        leading = stage.apply(0, [event(1, 0), event(2, 5), event(3, 10)])
        pid = stage.first_holds()  # it has written id 1 and waits to see what becomes of id 2
        following = stage.apply(1, [event(3, 10), event(2, 5), event(1, 0)])
        stage.second_waits_for(pid)
        other.rollback()
    assert (leading.finished().accepted, following.finished().accepted) == (3, 0)
    assert rows(stage, COUNTS) == [(0, 3, 0, 0), (1, 0, 3, 0)]
    assert stage.deadlocks() == 0


def test_a_slice_that_a_deadlock_ends_is_tried_again(database: Any, stage: Stage) -> None:
    """Somebody else's transaction wants the slice's id and holds a page's row that the slice wants next."""
    stage.connection.execute("insert into page_minute select date_trunc('minute', %s::timestamptz), '/', false, 0",
                             [event(0)["event_time"]])  # fmt: skip
    with psycopg.connect(database.admin, options="-c search_path=clickstream -c deadlock_timeout=1h") as other:
        other.execute("select from page_minute where views = 0 for update")
        slice_ = stage.apply(1, [event(1, 0), held(800)])
        pid = stage.first_holds()
        wanting = threading.Thread(
            target=other.execute,
            args=["insert into event_ids values (%s, '2026-06-01', 9, 9, 9)", [event_id(1)]],
        )
        wanting.start()
        wait_until(lambda: _blocks(stage, pid, other.info.backend_pid), "the other transaction behind the slice", 60)
        stage.let_go()  # now the slice goes on to the page's row, and the circle is closed
        wanting.join(60)
        assert not wanting.is_alive()
        other.rollback()
    assert slice_.finished().accepted == 2
    assert rows(stage, COUNTS) == [(1, 2, 0, 0)]
    assert stage.deadlocks() == 1


def _blocks(stage: Stage, blocker: int, blocked: int) -> bool:
    [(pids,)] = stage.connection.execute("select pg_blocking_pids(%s)", [blocked]).fetchall()
    return pids == [blocker]
