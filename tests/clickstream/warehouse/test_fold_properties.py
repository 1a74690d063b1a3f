"""Whatever way events arrive, the warehouse holds the same: properties over generated histories, on PostgreSQL.

Two things are claimed, and each is checked against a fold in plain Python (`plain_fold`):
- While one id always says the same, no order, split, partition or repetition changes a row.
- Where one id says different things, the first copy in the ledger's order is the event, every other one that
  says something else is a dead letter; all rows follow from the accepted copies.
"""

import threading
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from clickstream.warehouse import ledger
from clickstream.warehouse.writer import Writer

from .arrangements import PARTITIONS, WIDE, Delivery, deliveries, histories, impostors, one_pass, repeats
from .conftest import RULES
from .plain_fold import Arrived, Said, decide, expected, stored

TABLES = ("event_ids", "events", "dead_letters", "sessions", "traffic_minute", "page_minute", "load_minute",
          "model_changes", "stream_slices")  # fmt: skip
WHOLE_ROWS = {
    "sessions": "to_jsonb(t)",
    "events": "to_jsonb(t)",
    "event_ids": "to_jsonb(t) - 'partition' - 'kafka_offset'",  # where the accepted copy lies depends on the way
}
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


@settings(rounds, max_examples=60)
@given(data=st.data())
def test_no_order_split_partition_or_repetition_changes_a_row(
    wide: psycopg.Connection, writer: Writer, data: st.DataObject
) -> None:
    events = data.draw(histories())
    copies = data.draw(repeats(events))
    delivery = data.draw(deliveries(copies))
    deliver(wide, writer, delivery)
    assert stored(wide) == expected(events)
    assert audit(wide) == (len(copies), len(events), len(copies) - len(events), 0)
    in_pieces = whole(wide)
    deliver(wide, writer, one_pass((said, "plain") for said in events))
    assert whole(wide) == in_pieces


@settings(rounds, max_examples=60)
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


def test_the_plain_fold_itself_knows_the_rules() -> None:
    """A few figures by hand, so that both folds cannot be wrong in the same way."""
    noon = 1_780_315_200_000
    said = [
        Said(1, "ann", noon, "page_view"),
        Said(2, "ann", noon + 1_800_000, "purchase", cents=1_999, quantity=2),
        Said(3, "ann", noon + 3_600_001, "page_view", page="https://shop.example/cart/"),
    ]
    rows = expected(said)["sessions"]
    assert [(row[1] - noon, row[2] - noon, row[4], row[12], row[13]) for row in rows] == [
        (0, 1_800_000, 2, 399_800, "/"),
        (3_600_001, 3_600_001, 1, 0, "/cart"),
    ]
    ledger_order = [Arrived(0, 0, said[0]), Arrived(1, 0, said[0]), Arrived(0, 1, Said(1, "bob", noon, "click"))]
    decided = decide(ledger_order)
    assert (len(decided.accepted), decided.duplicates, decided.conflicts) == (1, 1, [(0, 1)])
