"""Journeys: which page leads to which in the first steps of a session, as counts that add up.

A step's label is the page's group where a rule of `enrich.page_groups` names one, else its path. A page that is seen
again at once is one step.
"""

from collections.abc import Callable
from typing import Any

import polars as pl

from clickstream.enrich import OTHER, page_group
from clickstream.enrich.page_groups import DEFAULT_GROUPS
from clickstream.settings import settings

STEPS = 5
EXIT = "(exit)"
DAY_MS = 86_400_000
LINK = ["day_ms", "step", "source", "target"]
LINKS: dict[str, Any] = {
    "day_ms": pl.Int64, "step": pl.Int16, "source": pl.String, "target": pl.String, "sessions": pl.Int64,
}  # fmt: skip


def step_label(path: str) -> str:
    """What a page is called as a step of a journey."""
    group = page_group(path, settings().page_groups or DEFAULT_GROUPS)
    return path if group == OTHER else group


def transitions(rows: pl.DataFrame, label: Callable[[str], str] = step_label) -> pl.DataFrame:
    """By LINKS: how many sessions went from `source` at a step (1 to STEPS) to `target` at the next, EXIT at the end.

    ``rows``: started_ms, path, bot, quarantined as `sessions.judged` gives them; bots and quarantined sessions are left
    out. ``day_ms`` is the UTC day of the session's start; `label` gives a step's from its page. In order of LINK.
    """
    people = rows.filter(pl.col("bot").is_null() & ~pl.col("quarantined"))
    place = pl.int_range(pl.len())
    first = pl.when(pl.col("row").ne_missing(pl.col("row").shift())).then(place).forward_fill()
    seen = collapsed(people).with_columns(step=(place - first + 1).cast(pl.Int16)).filter(pl.col("step") <= STEPS + 1)
    labels = {path: label(path) for path in seen["page"].unique()}
    seen = seen.with_columns(source=pl.col("page").replace_strict(labels, return_dtype=pl.String))
    stays = pl.col("row") == pl.col("row").shift(-1)
    seen = seen.with_columns(
        target=pl.when(stays).then(pl.col("source").shift(-1)).otherwise(pl.lit(EXIT)),
        day_ms=(people["started_ms"] // DAY_MS * DAY_MS).gather(seen["row"]),
    )
    links = seen.filter(pl.col("step") <= STEPS).group_by(LINK).agg(pl.len().alias("sessions"))
    return links.select(pl.col(name).cast(kind) for name, kind in LINKS.items()).sort(LINK)


def changed(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """What to add to the links of sessions as they were to get those of sessions as they are (`transitions`)."""
    return (
        pl.concat([after, before.with_columns(-pl.col("sessions"))])
        .group_by(LINK)
        .agg(pl.col("sessions").sum())
        .filter(pl.col("sessions") != 0)
        .sort(LINK)
    )


def collapsed(rows: pl.DataFrame) -> pl.DataFrame:
    """The `path` of each row, immediate repeats left out: row (number of the row, UInt32), page; in order."""
    views = rows.select("path").with_row_index("row").explode("path").drop_nulls("path")
    repeats = (pl.col("path") == pl.col("path").shift()) & (pl.col("row") == pl.col("row").shift())
    return views.filter(~repeats.fill_null(False)).rename({"path": "page"})
