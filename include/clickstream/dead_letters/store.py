"""Dead letters in PostgreSQL, page by page: a million are never in memory at once, and no transaction stays open."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Self
from uuid import UUID

import psycopg

from clickstream.dead_letters.letters import Filter, Letter, Place, ReasonCount
from clickstream.warehouse.frames import statement
from clickstream.warehouse.retention import oldest_ms, stored_horizon

_PAGE_ROWS = 2_000
_PAGE_BYTES = 16_000_000
_BEFORE_ALL = {"last_time": "infinity", "last_topic": "", "last_partition": 0, "last_offset": 0}


class Store:
    """One connection to the warehouse; a context. The reader's role suffices for all but `mark`."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(
            dsn, autocommit=True, connect_timeout=10, application_name="clickstream-dead-letters"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def pages(self, wanted: Filter, limit: int | None = None, page_rows: int = _PAGE_ROWS) -> Iterator[list[Letter]]:
        """The letters of a filter, newest first; at most `limit`.

        Letters that arrive meanwhile are newer than where this began: a replay whose events are refused again ends.
        """
        last: dict[str, Any] = _BEFORE_ALL
        while limit is None or limit > 0:
            rows = page_rows if limit is None else min(page_rows, limit)
            parameters = asdict(wanted) | last | {"page_rows": rows, "page_bytes": _PAGE_BYTES}
            page = self._letters("dead_letters/page.sql", parameters)
            if not page:
                return
            yield page
            limit = None if limit is None else limit - len(page)
            place = page[-1].place
            last = {
                "last_time": page[-1].kafka_time,
                "last_topic": place.topic,
                "last_partition": place.partition,
                "last_offset": place.offset,
            }

    def summary(self, wanted: Filter) -> list[ReasonCount]:
        """How many letters a filter names, by reason, most frequent first."""
        rows = self._connection.execute(statement("dead_letters/summary.sql"), asdict(wanted), prepare=False)
        return [ReasonCount(*row) for row in rows]

    def at(self, places: Sequence[Place]) -> dict[Place, Letter]:
        """The letters at these places; places without one are left out."""
        return {letter.place: letter for letter in self._letters("dead_letters/by_place.sql", _columns(places))}

    def mark(self, replayed: Sequence[tuple[Place, UUID]]) -> None:
        """Remember that these letters were sent back, and as which events. All or none."""
        parameters = _columns([place for place, _ in replayed]) | {"event_ids": [event_id for _, event_id in replayed]}
        self._connection.execute(statement("dead_letters/mark_replayed.sql"), parameters)

    def oldest_ms(self) -> int:
        """What happened before this (Unix ms) is refused."""
        return oldest_ms(stored_horizon(self._connection.cursor()))

    def _letters(self, path: str, parameters: dict[str, Any]) -> list[Letter]:
        with self._connection.cursor(binary=True) as cursor:
            # Not prepared: the plan depends on which parts of the filter are given.
            cursor.execute(statement(path), parameters, prepare=False)
            return [Letter(Place(*row[:3]), *row[3:]) for row in cursor]


def _columns(places: Sequence[Place]) -> dict[str, list[Any]]:
    return {
        "topics": [place.topic for place in places],
        "partitions": [place.partition for place in places],
        "offsets": [place.offset for place in places],
    }
