"""What the archive knows of a record beside its bytes: when it happened and whose it is. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
import pyarrow as pa
import xxhash
from msgspec import Meta, Struct

from clickstream.contract import UNREADABLE
from clickstream.erasure.tombstones import NOBODY, Tombstones

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class _Told(Struct, gc=False):
    """As the contract has them, so that no event can be accepted whose time cannot be read here."""

    event_time: Annotated[datetime, Meta(tz=True)]
    user_id: str


_read = msgspec.json.Decoder(_Told).decode


def told(values: pa.Array, erased: Tombstones = NOBODY) -> pa.StructArray:
    """event_ms and user_key (both int64) of records (binary), null where a record does not tell them; and whether it is
    of an erased user (both are null then).

    Records without time or user are refused by the contract for other reasons; all that it accepts have both.
    """
    times: list[int | None] = []
    keys: list[int | None] = []
    records = values.to_pylist()
    gone = [bool(erased) and erased.cover_record(value) for value in records]
    for value, erased_user in zip(records, gone, strict=True):
        try:
            event = _read(b"" if erased_user else value)
        except UNREADABLE:
            times.append(None)
            keys.append(None)
        else:
            times.append((event.event_time - _EPOCH) // _MILLISECOND)
            keys.append(user_key(event.user_id))
    return pa.StructArray.from_arrays(
        [pa.array(times, pa.int64()), pa.array(keys, pa.int64()), pa.array(gone, pa.bool_())],
        names=["event_ms", "user_key", "erased"],
    )


def user_key(user_id: str) -> int:
    """63 bits by which the archive finds a user's records; several users may share one."""
    return xxhash.xxh3_64_intdigest(user_id.encode()) >> 1
