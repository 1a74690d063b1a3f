"""Where sessions begin, end, join and take their identity: cases by hand, through the whole fold."""

from typing import Any

import psycopg
import pytest

from builders import NOON_MS, event, event_id, piece
from clickstream.warehouse.apply import Slice
from clickstream.warehouse.writer import Writer

from .conftest import TOPIC

Event = dict[str, Any]
SESSIONS = """
select session_id::text, ((extract(epoch from started_at) * 1000)::bigint - %s)::int,
       ((extract(epoch from ended_at) * 1000)::bigint - %s)::int, events, path, first_event_id::text
from sessions order by user_id, started_at
"""


def sessions(connection: psycopg.Connection) -> list[Any]:
    """Identity, start and end (ms after noon), events, path, first event."""
    return connection.execute(SESSIONS, [NOON_MS, NOON_MS]).fetchall()


def visit(number: int, milliseconds: int, page: str = "/") -> Event:
    return event(number, milliseconds / 1_000, page_url=f"https://shop.example{page}")


def part(events: list[Event], first: int = 0) -> Slice:
    """A slice that Kafka received two days later."""
    return piece(TOPIC, [*events], first=first, kafka_ms=NOON_MS + 2 * 86_400_000)


def apply_each(writer: Writer, slices: list[list[Event]]) -> None:
    """One slice after the other, in one partition."""
    first = 0
    for events in slices:
        writer.apply(part(events, first))
        first += len(events)


def spans(connection: psycopg.Connection) -> list[tuple[int, int, int]]:
    return [(start, end, events) for _, start, end, events, _, _ in sessions(connection)]


@pytest.mark.parametrize(
    ("pause", "together"),
    [(1_800_000, True), (1_800_001, False), (1_801_000, False), (1_799_999, True)],
)
@pytest.mark.parametrize("way", ["one slice", "in order", "late"])
def test_1800_seconds_stay_and_a_millisecond_more_splits(
    connection: psycopg.Connection, writer: Writer, pause: int, together: bool, way: str
) -> None:
    earlier, later = visit(1, 0), visit(2, pause)
    ways = {"one slice": [[earlier, later]], "in order": [[earlier], [later]], "late": [[later], [earlier]]}
    apply_each(writer, ways[way])
    assert spans(connection) == ([(0, pause, 2)] if together else [(0, 0, 1), (pause, pause, 1)])


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_events_of_one_millisecond_are_in_the_order_of_their_ids(
    connection: psycopg.Connection, writer: Writer, order: tuple[int, ...]
) -> None:
    apply_each(writer, [[visit(number, 7, f"/{number}")] for number in order])
    [(_, *session)] = sessions(connection)
    assert session == [7, 7, 3, ["/1", "/2", "/3"], event_id(1)]
    assert connection.execute("select entry_page, exit_page from sessions").fetchall() == [("/1", "/3")]


def test_a_late_event_joins_two_sessions_at_the_very_edge_of_both(
    connection: psycopg.Connection, writer: Writer
) -> None:
    apply_each(writer, [[visit(1, 0, "/a")], [visit(2, 3_600_000, "/c")]])
    left, right = sessions(connection)
    assert spans(connection) == [(0, 0, 1), (3_600_000, 3_600_000, 1)]
    writer.apply(part([visit(3, 1_800_000, "/b")], first=2))
    [joined] = sessions(connection)
    assert joined == (left[0], 0, 3_600_000, 3, ["/a", "/b", "/c"], event_id(1))
    assert right[0] != joined[0]


def test_a_late_event_a_millisecond_off_joins_one_of_two(connection: psycopg.Connection, writer: Writer) -> None:
    apply_each(writer, [[visit(1, 0)], [visit(2, 3_600_001)], [visit(3, 1_800_000)]])
    assert spans(connection) == [(0, 1_800_000, 2), (3_600_001, 3_600_001, 1)]


def test_one_slice_closes_many_holes(connection: psycopg.Connection, writer: Writer) -> None:
    """Twenty sessions become one when what lay between them comes in one slice."""
    apply_each(writer, [[visit(number, number * 3_600_000, f"/{number}")] for number in range(20)])
    assert len(sessions(connection)) == 20
    between = [visit(100 + number, number * 3_600_000 + 1_800_000, f"/{number}x") for number in range(19)]
    writer.apply(part(between, first=20))
    path = [page for number in range(20) for page in (f"/{number}", f"/{number}x")][:-1]
    assert [session[1:5] for session in sessions(connection)] == [(0, 19 * 3_600_000, 39, path)]


@pytest.mark.parametrize(("first", "before"), [(5, 60_000), (5, 1), (9, 0)])
def test_an_event_before_its_start_gives_the_session_its_identity(
    connection: psycopg.Connection, writer: Writer, first: int, before: int
) -> None:
    """Earlier by a minute, by a millisecond, and at the same millisecond by its id alone."""
    late, early = visit(first, 60_000), visit(4, 60_000 - before)
    apply_each(writer, [[late], [early]])
    [changed] = sessions(connection)
    assert changed[5] == event_id(4)
    connection.execute("delete from sessions")
    connection.execute("delete from event_ids")
    writer.apply(part([early], first=2))
    [(identity, *_)] = sessions(connection)
    assert changed[0] == identity
    connection.execute("delete from sessions")
    connection.execute("delete from event_ids")
    writer.apply(part([late], first=3))
    [(identity, *_)] = sessions(connection)
    assert changed[0] != identity


def test_midnight_does_not_cut(connection: psycopg.Connection, writer: Writer) -> None:
    midnight = 12 * 3_600_000
    apply_each(writer, [[visit(1, midnight - 1)], [visit(2, midnight)]])
    assert spans(connection) == [(midnight - 1, midnight, 2)]


def test_a_path_of_more_than_a_hundred_views_keeps_the_first_by_time_whatever_came_first(
    connection: psycopg.Connection, writer: Writer
) -> None:
    views = [visit(number, number, f"/{number}") for number in range(150)]
    apply_each(writer, [views[120:], views[60:120], views[:60:2], views[1:60:2]])
    [(_, *session)] = sessions(connection)
    assert session[2:4] == [150, [f"/{number}" for number in range(100)]]
    assert connection.execute("select page_views, exit_page from sessions").fetchall() == [(150, "/149")]


LINKS = "select step::int, source, target, sessions::int from journey_links where sessions <> 0 order by 1, 2, 3"


def test_links_of_sessions_that_a_late_event_joins_are_taken_back(
    connection: psycopg.Connection, writer: Writer
) -> None:
    """Pages without a group are called by their path; a page that comes again at once is one step."""
    apply_each(writer, [[visit(1, 0, "/one"), visit(2, 5, "/one")], [visit(3, 3_600_000, "/three")]])
    assert connection.execute(LINKS).fetchall() == [(1, "/one", "(exit)", 1), (1, "/three", "(exit)", 1)]
    writer.apply(part([visit(4, 1_800_000, "/p/2")], first=3))
    assert connection.execute(LINKS).fetchall() == [
        (1, "/one", "Product", 1),
        (2, "Product", "/three", 1),
        (3, "/three", "(exit)", 1),
    ]


def test_links_lie_on_the_utc_day_of_the_sessions_start(connection: psycopg.Connection, writer: Writer) -> None:
    midnight = 12 * 3_600_000
    days = "select day::text, sum(sessions)::int from journey_links group by day having sum(sessions) <> 0 order by 1"
    apply_each(writer, [[visit(1, midnight, "/b")]])
    assert connection.execute(days).fetchall() == [("2026-06-02", 1)]
    writer.apply(part([visit(2, midnight - 1, "/a")], first=1))
    assert connection.execute(days).fetchall() == [("2026-06-01", 2)]


def test_an_earlier_event_gives_the_session_its_first_touch(connection: psycopg.Connection, writer: Writer) -> None:
    touch = "select source, medium, campaign, channel, referrer_medium, os, browser_version from sessions"
    google = {"referrer": "https://www.google.com/", "session_id": "s-2"}
    apply_each(writer, [[event(2, 60, **google)]])
    assert connection.execute(touch).fetchall() == [
        ("google", "organic", None, "Organic Search", "search", "other", None)
    ]
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
    tagged = "https://shop.example/?utm_source=Post&utm_medium=email&utm_campaign=Spring"
    earlier = event(1, 0, page_url=tagged, user_agent=firefox, session_id="s-1")
    writer.apply(part([earlier], first=1))
    assert connection.execute(touch).fetchall() == [("post", "email", "Spring", "Email", "email", "Linux", "145")]
    clients = "select client_session_min, client_session_max from sessions"
    assert connection.execute(clients).fetchall() == [("s-1", "s-2")]


def test_first_times_move_back_with_earlier_events(connection: psycopg.Connection, writer: Writer) -> None:
    first = f"select (extract(epoch from first_purchase_at) * 1000)::bigint - {NOON_MS}, first_search_at from sessions"
    apply_each(writer, [[event(1, 60, kind="purchase"), event(2, 70, kind="purchase")]])
    assert connection.execute(first).fetchall() == [(60_000, None)]
    writer.apply(part([event(3, 50, kind="purchase"), event(4, 80, kind="purchase")], first=2))
    assert connection.execute(first).fetchall() == [(50_000, None)]


def test_a_person_turns_out_to_be_a_bot_and_then_not(connection: psycopg.Connection, writer: Writer) -> None:
    """By the twentieth page view, and by a scroll that comes late; links and anomalies follow."""
    apply_each(writer, [[visit(number, number * 3_000 + number % 2 * 900, f"/{number}") for number in range(19)]])
    links = "select coalesce(sum(sessions), 0)::int from journey_links"
    verdict = f"select bot, (select count(*)::int from session_anomalies), ({links}) from sessions"
    assert connection.execute(verdict).fetchall() == [(None, 0, 5)]
    writer.apply(part([visit(100, 60_000, "/x")], first=19))
    assert connection.execute(verdict).fetchall() == [("no_interaction", 1, 0)]
    assert connection.execute("select kind, score::float8 from session_anomalies").fetchall() == [
        ("bot_like", pytest.approx(5_000 / 3_900))
    ]
    writer.apply(part([event(200, 30, kind="scroll")], first=20))
    assert connection.execute(verdict).fetchall() == [(None, 0, 5)]
