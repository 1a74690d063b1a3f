"""Behavioural bots: a rule over figures of a session that merge exactly.

The standard deviation of pauses does not merge, and neither does a histogram of them: a late event splits a pause that
was counted. The times of the first 100 page views do: the first 100 of a union are among the first 100 of its parts.
A session fragment carries them as `path_at`; from the merged list the pauses are worked out when a row is made. Beside
them the rule needs sums: `scrolls` and `clicks` (`page_views` is the length beyond the first 100).

Which bot says so itself (`read_agent(…).bot`) is no matter of this rule: ``declared`` comes first.
"""

from typing import Any, NamedTuple

import polars as pl

MIN_VIEWS = 20  # below it nobody is accused
RATE_MS = 1_000  # nobody opens 20 pages at a median of less, not even who scrolls and clicks
EVEN_SPREAD = 0.2  # (90th − 10th percentile) of the pauses over their median; people are above 1
SILENT_MS = 5_000  # whoever neither scrolls nor clicks may still read slowly
_DEAREST = 0.5  # ms: pauses of zero are no division by zero


class Conduct(NamedTuple):
    """What the rule reads of a session: times of its first page views (Unix ms, any order), scrolls and clicks."""

    path_at: list[int]
    scrolls: int
    clicks: int


def bot_reason(conduct: Conduct) -> str | None:
    """``rate``, ``regular``, ``no_interaction`` or None, of one session."""
    columns: dict[str, Any] = {"path_at": pl.List(pl.Int64), "scrolls": pl.Int64, "clicks": pl.Int64}
    reason: str | None = pl.DataFrame([conduct], schema=columns, orient="row").select(bot_reasons()).item()
    return reason


def bot_reasons() -> pl.Expr:
    """The rule as an expression over the columns of `Conduct`; the first reason that holds, else null.

    - ``rate``: a median pause below 1 s
    - ``regular``: pauses that hardly differ, at whatever pace
    - ``no_interaction``: a median pause below 5 s without one scroll or click

    each over at least 20 page views. A site that tracks neither scrolls nor clicks accuses nobody by the last one who
    reads at a human pace.
    """
    enough = pl.col("path_at").list.len() >= MIN_VIEWS
    median = median_pause_ms()
    return (
        pl.when(enough & (median < RATE_MS))
        .then(pl.lit("rate"))
        .when(enough & (pause_spread() < EVEN_SPREAD))
        .then(pl.lit("regular"))
        .when(enough & (median < SILENT_MS) & (pl.col("scrolls") + pl.col("clicks") == 0))
        .then(pl.lit("no_interaction"))
        .alias("bot_reason")
    )


def median_pause_ms() -> pl.Expr:
    """Median pause between the page views of `path_at`; null below two of them."""
    return _pauses().list.median()


def pause_spread() -> pl.Expr:
    """(90th − 10th percentile) of the pauses of `path_at` over their median: 0 is a metronome."""
    ranked = _pauses().list.sort()
    steps = ranked.list.len()
    spread = _rank(ranked, steps, 9) - _rank(ranked, steps, 1)
    return spread / pl.max_horizontal(median_pause_ms(), pl.lit(_DEAREST))


def _pauses() -> pl.Expr:
    return pl.col("path_at").list.sort().list.diff(null_behavior="drop")


def _rank(ranked: pl.Expr, length: pl.Expr, tenths: int) -> pl.Expr:
    return ranked.list.get((length * tenths) // 10, null_on_oob=True)
