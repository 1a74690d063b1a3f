"""The lines of files in blocks, numbered over all files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from clickstream.replay import ReplayError, opened

STDIN = "-"
_BLOCK_BYTES = 8 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Block(NamedTuple):
    """Whole lines of one file; only the very last may lack its end.

    `start` and `first`: how many lines of all files come before the file and before the block; `position`: bytes of
    all files read up to here, where that can be told.
    """

    source: str
    start: int
    first: int
    content: bytes
    position: int


def blocks(sources: Sequence[str]) -> Iterator[Block]:
    """The blocks of files (plain or gzip; ``-``: standard input) in order, without a file's byte order mark.

    Raises ReplayError for a file that cannot be read.
    """
    first = position = 0
    for source in sources:
        with opened(None if source == STDIN else Path(source)) as (reader, raw):
            start, before = first, position
            while content := reader.read(_BLOCK_BYTES):
                if not content.endswith(b"\n"):
                    content += reader.readline()
                if first == start:
                    content = content.removeprefix(_BYTE_ORDER_MARK)
                position = before + (raw.tell() if raw.seekable() else 0)
                yield Block(source, start, first, content, position)
                first += content.count(b"\n") + (not content.endswith(b"\n"))


def total_bytes(sources: Sequence[str]) -> int:
    """How much there is to read; 0: not known. Raises ReplayError for a file that is not there."""
    try:
        sizes = [0 if source == STDIN else Path(source).stat().st_size for source in sources]
    except OSError as error:
        raise ReplayError(f"cannot read {error.filename}: {error.strerror}") from error
    return sum(sizes) if all(sizes) else 0
