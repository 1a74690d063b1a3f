"""Dead letters as the stream stores them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from clickstream.contract import Rejected, decode
from clickstream.dead_letters.letters import Letter, Place

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def letter(payload: bytes | None, offset: int = 0, reason: str | None = None, **fields: Any) -> Letter:
    """A letter of partition 0 whose Kafka time is its offset in seconds after noon; reason and detail as the contract
    gives them, or as told."""
    refused = decode(payload)
    if reason is None:
        assert isinstance(refused, Rejected), refused
        reason, detail = str(refused.reason), refused.detail
    else:
        detail = f"because of {reason}"
    given = {
        "place": Place("events", 0, offset),
        "kafka_time": NOON + timedelta(seconds=offset),
        "reason": reason,
        "detail": detail,
        "payload": payload,
        "created_at": NOON + timedelta(days=1),
        "replayed_at": None,
        "replayed_event_id": None,
    }
    return Letter(**(given | fields))


def store(dsn: str, *letters: Letter) -> None:
    """Put letters into the warehouse."""
    into = (
        "copy clickstream.dead_letters (topic, partition, kafka_offset, kafka_time, reason, detail, payload,"
        " created_at, replayed_at, replayed_event_id) from stdin"
    )
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor, cursor.copy(into) as copy:
        for one in letters:
            copy.write_row(
                (*one.place, one.kafka_time, one.reason, one.detail, one.payload, one.created_at, one.replayed_at,
                 one.replayed_event_id)
            )  # fmt: skip


def marks(dsn: str) -> dict[int, str | None]:
    """Offset → id of the event that a letter became, None where it was not sent back."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("select kafka_offset, replayed_event_id::text from clickstream.dead_letters")
        return dict(rows.fetchall())
