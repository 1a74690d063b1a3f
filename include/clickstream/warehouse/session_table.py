"""Session fragments to and from table `sessions`, a column at a time: lists would cost a Python object an element."""

from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from psycopg.rows import TupleRow

from clickstream import sessions
from clickstream.warehouse.frames import time_of

_ID_BYTES = 16
# What sql/fold/touched_sessions.sql selects.
_STORED: dict[str, Any] = {
    "session_id": pl.Binary,
    **sessions.FRAGMENT,
    "path": pl.String,
    "path_at": pl.String,
    "path_event_ids": pl.Binary,
}


def read_sessions(rows: list[TupleRow]) -> pl.DataFrame:
    """Rows of touched_sessions.sql as fragments (columns of sessions.FRAGMENT) with their session_id."""
    stored = pl.DataFrame(rows, schema=_STORED, orient="row")
    times = pl.col("path_at").str.split(",").list.eval(pl.element().filter(pl.element() != "").cast(pl.Int64))
    return stored.with_columns(
        pl.col("path").str.json_decode(pl.List(pl.String)), times, _split_ids(stored["path_event_ids"])
    )


def session_table(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `sessions.session_rows` in the columns and types of the table, in index order."""
    return rows.sort("user_id", "started_ms").select(
        "session_id", "user_id", time_of("started_ms").alias("started_at"), time_of("ended_ms").alias("ended_at"),
        "first_event_id", *[pl.col(name).cast(pl.Int32) for name in ("events", *sessions.COUNTS)],
        *[time_of(name).alias(name.removesuffix("_ms") + "_at") for name in sessions.FIRST_TIMES], "revenue_e4",
        "entry_page", "exit_page", time_of("exit_ms").alias("exit_at"), "exit_event_id",
        "path", "path_at", pl.col("path_event_ids").map_batches(_join_ids, return_dtype=pl.Binary),
        *sessions.FIRST_TOUCH, "client_session_min", "client_session_max", "bot",
        "engaged", "converted", "quarantined",
    )  # fmt: skip


def _join_ids(ids: pl.Series) -> pl.Series:
    """Lists of 16-byte ids, each list as one value."""
    joined = b"".join(ids.explode().drop_nulls().to_list())
    ends = accumulate((count * _ID_BYTES for count in ids.list.len().to_list()), initial=0)
    return pl.Series(ids.name, [joined[start:end] for start, end in pairwise(ends)], dtype=pl.Binary)


def _split_ids(joined: pl.Series) -> pl.Series:
    """The lists that `_join_ids` joined."""
    values = joined.to_list()
    counts = np.fromiter((len(value) // _ID_BYTES for value in values), dtype=np.int64, count=len(values))
    flat = pa.py_buffer(b"".join(values))
    ids = pa.Array.from_buffers(pa.binary(_ID_BYTES), int(counts.sum()), [None, flat]).cast(pa.large_binary())
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int64())
    lists = pl.from_arrow(pa.LargeListArray.from_arrays(offsets, ids))
    assert isinstance(lists, pl.Series)  # noqa: S101 - from_arrow is typed for tables too
    return lists.alias(joined.name)
