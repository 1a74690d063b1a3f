"""Builders of test data: an event, a record, a slice, with what a test does not care about filled in."""

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from clickstream.slice import Records
from clickstream.warehouse.apply import Slice

NOON_MS = 1_780_315_200_000  # 2026-06-01T12:00:00Z


def event_id(number: int) -> str:
    """A UUID whose order is the number's."""
    return str(uuid.UUID(int=number))


def rfc3339(milliseconds: int) -> str:
    """Unix milliseconds as the contract writes them."""
    return datetime.fromtimestamp(milliseconds / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event(number: int, seconds: float = 0, user: str = "ann", kind: str = "page_view", **fields: Any) -> dict[str, Any]:
    """A contract event `seconds` after noon of 2026-06-01; its id is made from `number`."""
    return {
        "event_id": event_id(number),
        "event_type": kind,
        "event_time": rfc3339(NOON_MS + round(seconds * 1_000)),
        "user_id": user,
        "page_url": "https://shop.example/",
        **fields,
    }


def encoded(document: dict[str, Any]) -> bytes:
    """The record value of an event."""
    return json.dumps(document).encode()


def piece(
    topic: str,
    events: Sequence[dict[str, Any] | bytes | None],
    partition: int = 0,
    first: int = 0,
    partitions: int = 2,
    kafka_ms: int = NOON_MS + 3_600_000,
) -> Slice:
    """A slice of events (or raw values; None: a tombstone) that Kafka received an hour after noon, from `first` on."""
    values = [encoded(item) if isinstance(item, dict) else item for item in events]
    count = len(values)
    records = Records(
        pa.array(values, pa.binary()),
        np.arange(first, first + count, dtype=np.int64),
        np.full(count, kafka_ms, dtype=np.int64),
        np.zeros(count, dtype=np.bool_),
    )
    return Slice(topic, partition, partitions, records)
