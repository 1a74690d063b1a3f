"""What the archive reads of a record: no more than every accepted event has."""

from typing import Any

import pyarrow as pa
import pytest

from builders import NOON_MS, encoded, event, piece
from clickstream.archive.columns import told, user_key
from clickstream.slice import decode_slice


def read(*values: bytes | None) -> list[dict[str, Any]]:
    return told(pa.array(values, pa.binary())).to_pylist()


def test_time_and_user() -> None:
    [ann] = read(encoded(event(1, seconds=1.2345)))
    assert ann == {"event_ms": NOON_MS + 1_234, "user_key": user_key("ann"), "erased": False}
    assert user_key("ann") != user_key("bob")


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b'{"user_id": "ann"}', encoded(event(1) | {"user_id": 7})])
def test_what_tells_nothing(value: bytes | None) -> None:
    assert read(value) == [{"event_ms": None, "user_key": None, "erased": False}]


@pytest.mark.parametrize(
    "time",
    [
        "2026-06-01T12:00:00Z",
        "2026-06-01T12:00:00.1239999Z",
        "2026-06-01T12:59:59.999999999Z",
        "2026-06-01t12:00:00z",
        "2026-06-01 12:00:00+00:00",
        "2026-06-01T00:30:00.5+02:00",
        "2026-06-01T12:00:00-00:00",
    ],
)
def test_the_time_is_the_streams(time: str) -> None:
    """Also with fields that the contract does not name: there the stream reads in another way."""
    for more in ({}, {"colour": "blue"}):
        value = encoded(event(1) | {"event_time": time} | more)
        [accepted] = decode_slice(piece("t", [value]).records, 300_000).events["event_ms"]
        assert read(value)[0]["event_ms"] == accepted
