"""How well bots are told from people: the generator's ledger against what the fold says of its sessions. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from clickstream.anomalies.sessions import session_anomalies
from clickstream.generator.records import Batch
from clickstream.sessions import FRAGMENT, fragments, merge, session_rows
from clickstream.slice import Records, decode_slice

_AT_ONCE = 100_000  # records that are decoded in one go
KINDS = ("declared", "behavioural", "all")


@dataclass(frozen=True)
class Score:
    """Counts of sessions or users: bots there were, how many were called bots, and how many of those rightly."""

    bots: int
    called: int
    rightly: int

    @property
    def precision(self) -> float | None:
        """The share of the called that are bots; None when none was called."""
        return self.rightly / self.called if self.called else None

    @property
    def recall(self) -> float | None:
        """The share of the bots that were called; None when there was none."""
        return self.rightly / self.bots if self.bots else None


def simulated_sessions(batches: Iterable[Batch], gap_ms: int, future_tolerance_ms: int) -> pl.DataFrame:
    """Rows of `sessions.session_rows` of what the generator sends, by the functions of the stream.

    The batches must hold no repeats (option ``duplicate_share`` 0): it is PostgreSQL that drops them.
    """
    pieces = [fragments(decode_slice(records, future_tolerance_ms).events, gap_ms) for records in _records(batches)]
    return session_rows(merge(pl.concat([pl.DataFrame(schema=FRAGMENT), *pieces]), gap_ms))


def _records(batches: Iterable[Batch]) -> Iterator[Records]:
    values: list[bytes] = []
    sent: list[int] = []
    for batch in batches:
        values += batch.values
        sent += batch.emit_ms.tolist()
        if len(values) >= _AT_ONCE:
            yield _slice(values, sent)
            values, sent = [], []
    if values:
        yield _slice(values, sent)


def _slice(values: list[bytes], sent: list[int]) -> Records:
    count = len(values)
    return Records(
        pa.array(values, pa.binary()), np.arange(count), np.array(sent, dtype=np.int64), np.zeros(count, dtype=np.bool_)
    )


def scores(rows: pl.DataFrame, bots: Mapping[str, str]) -> dict[str, dict[str, Score]]:
    """Scores by ``sessions`` and ``users``, of each by KINDS.

    ``rows`` have user_id and bot (null, ``declared`` or a behavioural reason); ``bots`` is the ledger's kind by user
    id. A user is called what any session of it is called.
    """
    called = pl.when(pl.col("bot") == "declared").then("bot").when(pl.col("bot").is_not_null()).then(pl.lit(KINDS[1]))
    told = rows.select("user_id", _truth(bots), called=called)
    counts = {"sessions": pl.len(), "users": pl.col("user_id").n_unique()}
    return {level: {kind: _score(told, kind, count) for kind in KINDS} for level, count in counts.items()}


def _score(told: pl.DataFrame, kind: str, count: pl.Expr) -> Score:
    is_bot, is_called = (
        (pl.col(name).is_not_null() if kind == "all" else pl.col(name) == kind).fill_null(False)
        for name in ("truth", "called")
    )
    bots, called, rightly = (
        told.filter(counted).select(count).item() for counted in (is_bot, is_called, is_bot & is_called)
    )
    return Score(bots, called, rightly)


def accused(rows: pl.DataFrame, bots: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """How many session anomalies of each kind there are: in all, and of people (users who are not in ``bots``)."""
    found = session_anomalies(rows).select("kind", _truth(bots)).group_by("kind")
    counts = found.agg(sessions=pl.len(), people=pl.col("truth").is_null().sum()).sort("kind")
    return {kind: {"sessions": sessions, "people": people} for kind, sessions, people in counts.iter_rows()}


def _truth(bots: Mapping[str, str]) -> pl.Expr:
    return pl.col("user_id").replace_strict(dict(bots), default=None, return_dtype=pl.String).alias("truth")
