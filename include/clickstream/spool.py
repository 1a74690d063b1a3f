"""Records that Kafka did not acknowledge, kept on disk until it does.

A spool file is a sequence of frames: four bytes of length (big-endian), then msgpack of (key, value, headers).
Whoever writes or sends a file holds a lock on it, so that two runs never send the same file.
"""

import fcntl
import logging
import os
import struct
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

log = logging.getLogger(__name__)
_LENGTH = struct.Struct(">I")


class SpooledRecord(NamedTuple):
    """One record as it was to be sent; a key or a value may be missing, headers may be empty."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


_decode = msgspec.msgpack.Decoder(SpooledRecord).decode


class SpoolWriter:
    """A spool file that comes into being with its first record."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.records = 0
        self._file: BinaryIO | None = None
        self.path: Path | None = None

    def add(self, record: SpooledRecord) -> None:
        """Append a record; it is with the operating system when this returns."""
        if self._file is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            self.path = self.directory / f"{time.time_ns():020}-{uuid.uuid4().hex[:8]}.spool"
            self._file = self.path.open("xb", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        frame = msgspec.msgpack.encode(record)
        self._file.write(_LENGTH.pack(len(frame)) + frame)
        self.records += 1

    def sync(self) -> None:
        """Return when all records are on disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file is not None:
            self.sync()
            self._file.close()
            self._file = None


@contextmanager
def spooled(path: Path) -> Iterator[Iterator[SpooledRecord] | None]:
    """The records of a spool file, or ``None`` when another run has it. Removed when the block ends well."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s is in use by another run", path)
            yield None
            return
        if os.fstat(file.fileno()).st_nlink == 0:  # sent and removed between opening and locking
            yield None
            return
        yield _frames(file, path)
        path.unlink()


def _frames(file: BinaryIO, path: Path) -> Iterator[SpooledRecord]:
    """A last frame that is cut off is left out: its run died while writing, and is run again as a whole."""
    while prefix := file.read(_LENGTH.size):
        length = _LENGTH.unpack(prefix)[0] if len(prefix) == _LENGTH.size else -1
        frame = file.read(max(length, 0))
        if len(frame) != length:
            log.warning("%s ends within a record, which its run never counted as spooled", path)
            return
        yield _decode(frame)
