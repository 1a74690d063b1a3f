"""The events of files, each once, and what was refused: the stream's rules without its servers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from clickstream.files.decode import REFUSAL, Reading, decoded
from clickstream.files.lines import blocks
from clickstream.slice import Records, conflicts

Progress = Callable[[int], None]  # called with the bytes read so far


@dataclass(frozen=True)
class FileEvents:
    """`events`: the accepted ones, each once, with the columns that `Reading` asks for; `refused`: file, line (from
    1), reason, detail, in the order of the lines. read = accepted + duplicate + rejected."""

    events: pl.DataFrame
    refused: pl.DataFrame
    read: int

    @property
    def accepted(self) -> int:
        return len(self.events)

    @property
    def rejected(self) -> int:
        return len(self.refused)

    @property
    def duplicate(self) -> int:
        return self.read - self.accepted - self.rejected


def read_events(sources: Sequence[str], reading: Reading, progress: Progress = lambda _: None) -> FileEvents:
    """The events of files of JSON lines; `sources`: paths, plain or gzip, or ``-`` for standard input.

    Of an event that comes twice the first line counts; its id with other content is refused as a conflict.
    Raises ReplayError for a file that cannot be read.
    """
    found = [reading.decode(b"", 0)]
    files: dict[int, str] = {}
    for block, piece in decoded(blocks(sources), reading):
        files[block.start] = block.source
        found.append(piece)
        progress(block.position)
    events = pl.concat([piece.events for piece in found])
    refused = pl.concat([piece.dead_letters for piece in found])
    repeats = _repeats(events)
    conflicting = repeats.filter(pl.col("content_hash") != pl.col("content_hash_first")).sort("kafka_offset")
    return FileEvents(
        events=events.filter(~events["kafka_offset"].is_in(repeats["kafka_offset"].implode())),
        refused=_placed(pl.concat([refused, _conflicts(conflicting)]), files),
        read=len(events) + len(refused),
    )


def _repeats(events: pl.DataFrame) -> pl.DataFrame:
    """Events whose id was there before: event_id, kafka_offset, content_hash, and the first one's with ``_first``."""
    keys = events.select("event_id", "kafka_offset", "content_hash").sort("kafka_offset")
    is_first = keys["event_id"].is_first_distinct()
    return keys.filter(~is_first).join(keys.filter(is_first), on="event_id", suffix="_first")


def _conflicts(repeats: pl.DataFrame) -> pl.DataFrame:
    """Their refusals, in the stream's words."""
    offsets = repeats["kafka_offset"].to_numpy()
    nothing = np.zeros(len(offsets), dtype=np.int64)
    records = Records(pa.nulls(len(offsets), pa.binary()), offsets, nothing, nothing.astype(np.bool_))
    return conflicts(repeats, records).select(REFUSAL)


def _placed(refused: pl.DataFrame, files: dict[int, str]) -> pl.DataFrame:
    """Refusals by file and line; ``files``: names by how many lines of other files come before."""
    starts = pl.DataFrame(
        {"start": list(files), "file": list(files.values())}, schema={"start": pl.Int64, "file": pl.String}
    )
    return (
        refused.sort("kafka_offset")
        .join_asof(starts, left_on="kafka_offset", right_on="start")
        .select("file", (pl.col("kafka_offset") - pl.col("start") + 1).alias("line"), "reason", "detail")
    )
