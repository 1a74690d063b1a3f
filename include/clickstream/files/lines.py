"""The lines of files in blocks, numbered over all files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from clickstream.replay import ReplayError, opened

STDIN = "-"
_BLOCK_BYTES = 16 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Span(NamedTuple):
    """Bytes of a plain file, which a worker reads for itself: through a pipe they would be copied four times."""

    path: str
    offset: int
    length: int

    def read(self) -> bytes:
        """Raises ReplayError when the file has become shorter."""
        with Path(self.path).open("rb") as file:
            file.seek(self.offset)
            content = file.read(self.length)
        if len(content) < self.length:
            raise ReplayError(f"{self.path} was cut while it was read")
        return content


class Block(NamedTuple):
    """Whole lines of one file; only the very last may lack its end.

    `start` and `first`: how many lines of all files come before the file and before the block; `position`: bytes of
    all files read up to here, where that can be told; `span`: where a plain file has the content.
    """

    source: str
    start: int
    first: int
    content: bytes
    position: int
    span: Span | None


def blocks(sources: Sequence[str]) -> Iterator[Block]:
    """The blocks of files (plain or gzip; ``-``: standard input) in order, without a file's byte order mark.

    Raises ReplayError for a file that cannot be read.
    """
    first = position = 0
    for source in sources:
        with opened(None if source == STDIN else Path(source)) as (reader, raw):
            start, before = first, position
            plain = reader is raw and raw.seekable()
            while content := reader.read(_BLOCK_BYTES):
                if not content.endswith(b"\n"):
                    content += reader.readline()
                if first == start:
                    content = content.removeprefix(_BYTE_ORDER_MARK)
                read = raw.tell() if raw.seekable() else 0
                position = before + read
                span = Span(source, read - len(content), len(content)) if plain else None
                yield Block(source, start, first, content, position, span)
                first += content.count(b"\n") + (not content.endswith(b"\n"))


def total_bytes(sources: Sequence[str]) -> int:
    """How much there is to read; 0: not known. Raises ReplayError for a file that is not there."""
    try:
        sizes = [0 if source == STDIN else Path(source).stat().st_size for source in sources]
    except OSError as error:
        raise ReplayError(f"cannot read {error.filename}: {error.strerror}") from error
    return sum(sizes) if all(sizes) else 0
