"""A slice's keys to and from PostgreSQL in binary, without a Python object each."""

import struct
from typing import ClassVar

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types.string import ByteaBinaryLoader

_PG_EPOCH_MS = 946_684_800_000  # 2000-01-01, where PostgreSQL counts from


class _Array:
    """A one-dimensional array without nulls; `payload` is PostgreSQL's binary array format."""

    oid: ClassVar[int]
    element_oid: ClassVar[int]

    def __init__(self, elements: NDArray[np.void], count: int) -> None:
        header = struct.pack("!iiiii", 1, 0, self.element_oid, count, 1)
        self.payload = header + elements.tobytes() if count else struct.pack("!iii", 0, 0, self.element_oid)


class UuidArray(_Array):
    """uuid[] from a list of 16-byte values."""

    oid, element_oid = 2951, 2950

    def __init__(self, values: list[bytes]) -> None:
        elements = np.empty(len(values), dtype=[("size", ">i4"), ("value", "V16")])
        elements["size"] = 16
        elements["value"] = np.frombuffer(b"".join(values), dtype="V16")
        super().__init__(elements, len(values))


class TimestampArray(_Array):
    """timestamptz[] from Unix milliseconds (int64)."""

    oid, element_oid = 1185, 1184

    def __init__(self, milliseconds: NDArray[np.int64]) -> None:
        elements = np.empty(len(milliseconds), dtype=[("size", ">i4"), ("value", ">i8")])
        elements["size"] = 8
        elements["value"] = (milliseconds - _PG_EPOCH_MS) * 1_000
        super().__init__(elements, len(milliseconds))


def read_bigints(payload: bytes) -> NDArray[np.int64]:
    """What array_send makes of a bigint[] that is neither empty nor holds nulls."""
    return np.frombuffer(payload, dtype=[("size", ">i4"), ("value", ">i8")], offset=20)["value"].astype(np.int64)


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: _Array) -> bytes:
        return obj.payload


class _UuidArrayDumper(_ArrayDumper):
    oid = UuidArray.oid


class _TimestampArrayDumper(_ArrayDumper):
    oid = TimestampArray.oid


def register(connection: psycopg.Connection) -> None:
    """Teach a connection these parameters, and to read uuid as 16 bytes."""
    connection.adapters.register_dumper(UuidArray, _UuidArrayDumper)
    connection.adapters.register_dumper(TimestampArray, _TimestampArrayDumper)
    connection.adapters.register_loader("uuid", ByteaBinaryLoader)
