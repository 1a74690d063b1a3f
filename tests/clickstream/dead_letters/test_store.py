"""Pages, filters and marks on a real PostgreSQL."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from clickstream.dead_letters.letters import Filter, Place
from clickstream.dead_letters.store import Store
from clickstream.settings import Settings
from letters import NOON, letter, store

ID = UUID(int=1)


@pytest.fixture
def letters(platform: Settings) -> Iterator[Store]:
    """Offsets 0 to 5 of partition 0, and offset 0 of another topic's partition 3 at the same time as the last."""
    store(
        platform.postgres_writer.get_secret_value(),
        letter(b"{", 0),
        letter(b"[]", 1),
        letter(b"", 2, replayed_at=NOON, replayed_event_id=ID),
        letter(b"{}", 3, reason="future"),
        letter(None, 4),
        letter(b"x" * 70_000, 5),
        replace(letter(b"{}", 5), place=Place("other", 3, 0)),
    )
    with Store(platform.postgres_reader.get_secret_value()) as letters:
        yield letters


def places(found: Store, wanted: Filter, **options: Any) -> list[str]:
    return [str(one.place) for page in found.pages(wanted, **options) for one in page]


NEWEST_FIRST = ["other/3/0", "events/0/5", "events/0/4", "events/0/3", "events/0/2", "events/0/1", "events/0/0"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), NEWEST_FIRST),
        (Filter(reasons=["not_json"]), ["events/0/4", "events/0/2", "events/0/0"]),
        (Filter(reasons=["future", "too_large"]), ["events/0/5", "events/0/3"]),
        (Filter(reasons=["erased"]), []),
        (Filter(since=NOON + timedelta(seconds=4), until=NOON + timedelta(seconds=5)), ["events/0/4"]),
        (Filter(until=NOON), []),
        (Filter(topic="other"), ["other/3/0"]),
        (Filter(partition=0, contains="EMPTY record"), ["events/0/4", "events/0/2"]),
        (Filter(contains="100%_"), []),
        (Filter(pending=True), [place for place in NEWEST_FIRST if place != "events/0/2"]),
    ],
)
def test_a_filter_names_the_same_letters_whatever_the_page(letters: Store, wanted: Filter, expected: list[str]) -> None:
    for page_rows in (1, 2, 100):
        assert places(letters, wanted, page_rows=page_rows) == expected
        assert places(letters, wanted, limit=2, page_rows=page_rows) == expected[:2]
    assert sum(count.letters for count in letters.summary(wanted)) == len(expected)


def test_a_page_ends_with_the_bytes_that_fill_it(letters: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clickstream.dead_letters.store._PAGE_BYTES", 3)
    sizes = [len(page) for page in letters.pages(Filter())]
    assert sizes == [2, 4, 1]
    assert places(letters, Filter()) == NEWEST_FIRST


def test_the_summary_counts_by_reason(letters: Store) -> None:
    assert [(c.reason, c.letters, c.replayed, c.first, c.last) for c in letters.summary(Filter())] == [
        ("not_json", 3, 1, NOON, NOON + timedelta(seconds=4)),
        ("contract", 2, 0, NOON + timedelta(seconds=1), NOON + timedelta(seconds=5)),
        ("future", 1, 0, NOON + timedelta(seconds=3), NOON + timedelta(seconds=3)),
        ("too_large", 1, 0, NOON + timedelta(seconds=5), NOON + timedelta(seconds=5)),
    ]


def test_letters_come_as_they_are_stored(letters: Store) -> None:
    empty, tombstone = Place("events", 0, 2), Place("events", 0, 4)
    found = letters.at([tombstone, empty, Place("events", 0, 99)])
    assert found == {
        empty: letter(b"", 2, replayed_at=NOON, replayed_event_id=ID),
        tombstone: letter(None, 4),
    }


def test_marks_are_the_writers_alone(letters: Store, platform: Settings) -> None:
    place = Place("events", 0, 0)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        letters.mark([(place, ID)])
    with Store(platform.postgres_writer.get_secret_value()) as writer:
        writer.mark([(place, ID), (Place("nowhere", 0, 0), ID)])
    marked = letters.at([place])[place]
    assert marked.replayed_event_id == ID
    assert marked.replayed_at is not None
    assert marked.replayed_at > NOON


def test_many_letters_are_paged_by_the_index(platform: Settings) -> None:
    with psycopg.connect(platform.postgres_owner.get_secret_value()) as connection:
        connection.execute(
            "insert into clickstream.dead_letters (topic, partition, kafka_offset, kafka_time, reason, detail, payload)"
            " select 'events', n % 2, n, '2026-06-01Z'::timestamptz + n * interval '1 ms', 'contract', 'why', 'x'"
            " from generate_series(1, 20000) as n"
        )
        connection.execute("analyze clickstream.dead_letters")
    with Store(platform.postgres_reader.get_secret_value()) as letters:
        offsets = [one.place.offset for page in letters.pages(Filter(pending=True)) for one in page]
    assert offsets == list(range(20_000, 0, -1))
    parameters = asdict(Filter()) | {
        "last_time": NOON, "last_topic": "events", "last_partition": 0, "last_offset": 0, "page_rows": 2_000,
        "page_bytes": 1_000_000,
    }  # fmt: skip
    page = (platform.home / "sql" / "dead_letters" / "page.sql").read_text()
    with psycopg.connect(platform.postgres_reader.get_secret_value()) as connection:
        plan = connection.execute(f"explain {page}", parameters).fetchall()
    assert any("Index Scan Backward using dead_letters_kafka_time" in line for (line,) in plan), plan
