"""Whatever way events arrive, the warehouse holds the same: properties over generated histories, on PostgreSQL.

Two things are claimed, and each is checked against a fold in plain Python (`plain_fold`):
- While one id always says the same, no order, split, partition or repetition changes a row.
- Where one id says different things, the first copy in the ledger's order is the event, every other one that
  says something else is a dead letter; all rows follow from the accepted copies.
"""

import threading
from itertools import accumulate, count, cycle
from typing import Any
from uuid import UUID

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from clickstream.anomalies.sessions import session_anomalies
from clickstream.warehouse import ledger
from clickstream.warehouse.writer import Writer

from .arrangements import (
    PARTITIONS,
    TEN_IN_THE_EVENING,
    WIDE,
    Delivery,
    deliveries,
    histories,
    impostors,
    one_pass,
    repeats,
)
from .conftest import RULES
from .plain_fold import expected, stored
from .said import PAGES, TAGGED, Arrived, Said, decide

TABLES = ("event_ids", "events", "dead_letters", "sessions", "session_anomalies", "session_arrivals", "journey_links",
          "traffic_minute", "page_minute", "load_minute", "model_changes", "stream_slices")  # fmt: skip
WHOLE_ROWS = {
    "sessions": "to_jsonb(t)",
    "session_anomalies": "to_jsonb(t)",
    "events": "to_jsonb(t)",
    "event_ids": "to_jsonb(t) - 'partition' - 'kafka_offset'",  # where the accepted copy lies depends on the way
}
# What `session_anomalies` reads of a session, and what it gives.
JUDGED: dict[str, Any] = {
    "session_id": pl.Binary, "user_id": pl.String, "started_ms": pl.Int64, "ended_ms": pl.Int64,
    **dict.fromkeys(("events", "page_views", "item_views", "searches", "purchases", "payment_infos"), pl.Int64),
    "revenue_e4": pl.Int64, "path_at": pl.List(pl.Int64), "bot": pl.String,
}  # fmt: skip
SESSIONS = """
select uuid_send(session_id), user_id, (extract(epoch from started_at) * 1000)::bigint,
       (extract(epoch from ended_at) * 1000)::bigint, events, page_views, item_views, searches, purchases,
       payment_infos, revenue_e4, path_at, bot
from sessions
"""
ANOMALIES = """
select session_id, kind, user_id, (extract(epoch from started_at) * 1000)::bigint, value, expected, lower_bound,
       upper_bound, score, reason
from session_anomalies order by session_id, kind
"""
pytestmark = pytest.mark.timeout(1_800)  # thousands of slices: minutes on a machine that does other things, too
rounds = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def wide(connection: psycopg.Connection) -> psycopg.Connection:
    """The warehouse with a topic of four partitions."""
    beginnings = dict.fromkeys(range(PARTITIONS), 0)
    ledger.starting_offsets(connection, ledger.TopicState(WIDE, "id-2", beginnings, beginnings))
    return connection


def emptied(connection: psycopg.Connection) -> None:
    """As after the migration: rows are few, so deleting them is faster than truncating the tables."""
    with connection.transaction():
        for table in TABLES:
            connection.execute(f"delete from {table}")
        connection.execute("update stream_offsets set next_offset = 0")


def deliver(connection: psycopg.Connection, writer: Writer, delivery: Delivery) -> None:
    emptied(connection)
    for part in delivery.pieces():
        writer.apply(part)


def whole(connection: psycopg.Connection) -> dict[str, list[Any]]:
    """Every column of what must not depend on the way, derived ids and enrichment included."""
    rows = {
        table: connection.execute(f"select ({columns})::text from {table} t order by 1").fetchall()
        for table, columns in WHOLE_ROWS.items()
    }
    return rows | stored(connection)


def odd_sessions(connection: psycopg.Connection) -> set[str]:
    """The kinds of stored anomalies, which must be those of the stored sessions and no others."""
    sessions = pl.DataFrame(connection.execute(SESSIONS).fetchall(), schema=JUDGED, orient="row")
    found = [(UUID(bytes=session_id), *rest) for session_id, *rest in session_anomalies(sessions).rows()]
    assert connection.execute(ANOMALIES).fetchall() == found
    return {kind for _, kind, *_ in found}


def audit(connection: psycopg.Connection) -> tuple[Any, ...]:
    """What was read, accepted, a duplicate and rejected; and whether each partition's offsets are accounted for."""
    totals = connection.execute(
        "select sum(read)::int, sum(accepted)::int, sum(duplicate)::int, sum(rejected)::int from stream_slices"
    ).fetchone()
    assert totals is not None
    per_partition = connection.execute(
        "select partition, sum(accepted + duplicate + rejected)::int, max(next_offset)::int from stream_slices"
        " group by partition"
    ).fetchall()
    assert all(counted == end for _, counted, end in per_partition)
    return totals


def conflicts(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    query = "select partition, kafka_offset, reason from dead_letters order by 1, 2"
    return connection.execute(query).fetchall()


def accepted_places(connection: psycopg.Connection) -> dict[str, tuple[int, int]]:
    rows = connection.execute("select event_id::text, partition, kafka_offset from event_ids").fetchall()
    return {event_id: (partition, offset) for event_id, partition, offset in rows}


@settings(rounds, max_examples=40)
@given(data=st.data())
def test_no_order_split_partition_or_repetition_changes_a_row(
    wide: psycopg.Connection, writer: Writer, data: st.DataObject
) -> None:
    events = data.draw(histories())
    copies = data.draw(repeats(events))
    delivery = data.draw(deliveries(copies))
    deliver(wide, writer, delivery)
    assert stored(wide) == expected(events)
    odd_sessions(wide)
    assert audit(wide) == (len(copies), len(events), len(copies) - len(events), 0)
    in_pieces = whole(wide)
    deliver(wide, writer, one_pass((said, "plain") for said in events))
    assert whole(wide) == in_pieces


@settings(rounds, max_examples=40)
@given(data=st.data())
def test_of_an_ids_contents_the_first_in_the_ledger_is_the_event(
    wide: psycopg.Connection, writer: Writer, data: st.DataObject
) -> None:
    events = data.draw(histories())
    copies = [*data.draw(repeats(events, most=4)), *data.draw(impostors(events))]
    delivery = data.draw(deliveries(copies))
    arrived = delivery.arrived()
    decided = decide(arrived)
    deliver(wide, writer, delivery)
    assert stored(wide) == expected(copy.said for copy in decided.accepted.values())
    odd_sessions(wide)
    places = {str(copy.said.id): (copy.partition, copy.offset) for copy in decided.accepted.values()}
    assert accepted_places(wide) == places
    assert conflicts(wide) == [(*place, "conflict") for place in decided.conflicts]
    assert audit(wide) == (len(copies), len(decided.accepted), decided.duplicates, len(decided.conflicts))
    in_pieces = whole(wide)
    deliver(wide, writer, one_pass((copy.said, "plain") for copy in arrived))
    assert whole(wide) == in_pieces


@settings(rounds, max_examples=12, phases=[Phase.explicit, Phase.generate])  # a race does not shrink
@given(data=st.data())
def test_partitions_written_at_once_hold_what_follows_from_the_accepted_copies(
    database: Any, wide: psycopg.Connection, data: st.DataObject
) -> None:
    """A writer a partition, all at the same time. Which copy was first is read from the warehouse, all else is not."""
    events = data.draw(histories())
    copies = [*data.draw(repeats(events)), *data.draw(impostors(events))]
    delivery = data.draw(deliveries(copies))
    emptied(wide)
    write_at_once(database.writer, ledger.acquire(wide, "test"), delivery)
    arrived = {(copy.partition, copy.offset): copy for copy in delivery.arrived()}
    accepted = {event_id: arrived[place].said for event_id, place in accepted_places(wide).items()}
    assert accepted.keys() == {str(said.id) for said in events}
    assert stored(wide) == expected(accepted.values())
    odd_sessions(wide)
    impostor = [copy for copy in arrived.values() if copy.said != accepted[str(copy.said.id)]]
    assert conflicts(wide) == sorted((copy.partition, copy.offset, "conflict") for copy in impostor)
    assert audit(wide) == (len(copies), len(events), len(copies) - len(events) - len(impostor), len(impostor))


def write_at_once(dsn: str, epoch: int, delivery: Delivery) -> None:
    """Apply each partition's slices by a thread and a connection of its own."""
    failed: list[BaseException] = []
    start = threading.Barrier(PARTITIONS)

    def work(partition: int) -> None:
        writer = Writer(dsn, epoch, RULES, patience_seconds=60)
        try:
            start.wait(30)
            for part in delivery.pieces():
                if part.partition == partition:
                    writer.apply(part)
        except BaseException as error:
            failed.append(error)
        finally:
            writer.close()

    threads = [threading.Thread(target=work, args=[partition], daemon=True) for partition in range(PARTITIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


@pytest.mark.parametrize(
    ("pauses", "aside", "bot", "odd"),
    [
        ([0, 100, 300], "search", "rate", {"bot_like", "impossible_speed"}),
        ([0, 100, 300], "purchase", "rate", {"bot_like", "impossible_speed", "carding"}),
        ([60_000], "scroll", "regular", {"bot_like"}),
        ([2_000, 4_000], "search", "no_interaction", {"bot_like"}),
        ([2_000, 4_000], "scroll", None, set()),
        ([2_000, 4_000], "click", None, set()),
        ([5_000, 40_000, 90_000, 8_000], "purchase", None, {"carding"}),
    ],
)
def test_a_long_visit_is_judged_by_all_of_it(
    wide: psycopg.Connection, writer: Writer, pauses: list[int], aside: str, bot: str | None, odd: set[str]
) -> None:
    """In each piece alone it would be a person's visit: too few pages to tell, and too few purchases."""
    kinds = [*["page_view"] * 20, *[aside] * 6]
    times = accumulate(cycle(pauses), initial=TEN_IN_THE_EVENING)
    events = [
        Said(number, "ann", ms, kind, page)
        for number, kind, ms, page in zip(count(1), kinds, times, cycle(PAGES), strict=False)
    ]
    topic = [[(said, "plain") for said in events[start::PARTITIONS]] for start in range(PARTITIONS)]
    deliver(wide, writer, Delivery([(partition, 0, len(topic[partition])) for partition in (2, 0, 3, 1)], topic))
    assert stored(wide) == expected(events)
    assert wide.execute("select bot, events from sessions").fetchall() == [(bot, 26)]
    assert odd_sessions(wide) == odd
    links = wide.execute("select count(*)::int, coalesce(sum(sessions), 0)::int from journey_links where sessions > 0")
    assert links.fetchall() == [(0, 0) if bot else (5, 5)]


def test_the_plain_fold_itself_knows_the_rules() -> None:
    """A few figures by hand, so that both folds cannot be wrong in the same way."""
    noon = 1_780_315_200_000
    said = [
        Said(1, "ann", noon, "page_view"),
        Said(2, "ann", noon + 1_800_000, "purchase", cents=1_999, quantity=2),
        Said(3, "ann", noon + 3_600_001, "page_view", page="https://shop.example/cart/"),
        Said(4, "ann", noon + 3_600_001, "page_view", page="https://shop.example/cart/"),
        Said(5, "ann", noon + 3_700_000, "page_view", page=TAGGED, session_id="s"),
    ]
    rows = expected(said)
    figures = ("started_at", "ended_at", "events", "revenue_e4", "entry_page", "first_purchase_at", "bot")
    found = [[row[name] - noon if name.endswith("_at") and row[name] else row[name] for name in figures]
             for row in sorted(rows["sessions"], key=lambda row: row["started_at"])]  # fmt: skip
    assert found == [
        [0, 1_800_000, 2, 399_800, "/", 1_800_000, None],
        [3_600_001, 3_700_000, 3, 0, "/cart", None, None],
    ]
    assert [(row["step"], row["source"], row["target"], row["sessions"]) for row in rows["journey_links"]] == [
        (1, "Cart", "Product", 1),
        (1, "Home", "(exit)", 1),
        (2, "Product", "(exit)", 1),
    ]
    ledger_order = [Arrived(0, 0, said[0]), Arrived(1, 0, said[0]), Arrived(0, 1, Said(1, "bob", noon, "click"))]
    decided = decide(ledger_order)
    assert (len(decided.accepted), decided.duplicates, decided.conflicts) == (1, 1, [(0, 1)])
