"""Other ways to cut visits into sessions, measured side by side: what the choice would do to a day. Pure."""

from collections.abc import Callable
from typing import Any, NamedTuple

import polars as pl

from clickstream import sessions
from clickstream.backfill.day import Day
from clickstream.enrich import first_touch

_MINUTE_MS, _DAY_MS = 60_000, 86_400_000
Cut = Callable[[pl.DataFrame], pl.Series]

MEASURES: dict[str, Any] = {
    "policy": pl.String,
    **dict.fromkeys(("sessions", "users", "bots", "engaged", "converted", "single_event", "events"), pl.Int64),
    "seconds": pl.Float64,
    "revenue_e4": pl.Int64,
}


class Policy(NamedTuple):
    """A session ends after `gap_ms` without an event; where a number of `cut` changes it ends anyway."""

    gap_ms: int
    cut: Cut | None = None


def _days(events: pl.DataFrame) -> pl.Series:
    return events["event_ms"] // _DAY_MS


def _campaigns(events: pl.DataFrame) -> pl.Series:
    """Counts, user by user, how often an event tells another campaign than the last that told one."""
    told = first_touch(events).select(
        pl.when(pl.col("source") != "(direct)").then(pl.concat_str("source", "medium", "campaign", ignore_nulls=True))
    )
    named = events.select("user_id").hstack([told.to_series().alias("told")])
    named = named.with_columns(known=pl.col("told").forward_fill().over("user_id"))
    before = pl.col("known").shift().over("user_id")
    return named.select(
        (pl.col("told") != before).fill_null(False).cast(pl.Int64).cum_sum().over("user_id")
    ).to_series()


POLICIES = {
    "gap_15": Policy(15 * _MINUTE_MS),
    "gap_30": Policy(30 * _MINUTE_MS),
    "gap_60": Policy(60 * _MINUTE_MS),
    # As Universal Analytics cut them.
    "midnight": Policy(30 * _MINUTE_MS, _days),
    "campaign": Policy(30 * _MINUTE_MS, _campaigns),
}


def measure(events: pl.DataFrame, day: Day) -> pl.DataFrame:
    """What each policy makes of some users' events (`slice.EVENTS_SCHEMA`): by MEASURES, of the sessions that start in
    the day. ``events`` reach from at least an hour before the day to the last that shall count."""
    ordered = events.sort("user_id", "event_ms", "event_id")
    return pl.concat([_measured(name, _rows(ordered, policy), day) for name, policy in POLICIES.items()])


def added(measured: list[pl.DataFrame]) -> pl.DataFrame:
    """The measures of all users from those of parts of them."""
    parts = pl.concat([pl.DataFrame(schema=MEASURES), *measured])
    return parts.group_by("policy", maintain_order=True).agg(pl.all().sum())


def _rows(ordered: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    if policy.cut is None:
        return sessions.judged(sessions.fragments(ordered, policy.gap_ms))
    # Sessions of two users never join: so each piece is a user of its own. No user id holds NUL.
    piece = pl.concat_str("user_id", policy.cut(ordered).cast(pl.String), separator="\0")
    rows = sessions.judged(sessions.fragments(ordered.with_columns(user_id=piece), policy.gap_ms))
    return rows.with_columns(pl.col("user_id").str.split("\0").list.first())


def _measured(name: str, rows: pl.DataFrame, day: Day) -> pl.DataFrame:
    started = rows.filter(pl.col("started_ms").is_between(day.start_ms, day.end_ms, closed="left"))
    measures = {
        "policy": pl.lit(name),
        "sessions": pl.len(),
        "users": pl.col("user_id").n_unique(),
        "bots": pl.col("bot").is_not_null().sum(),
        "engaged": pl.col("engaged").sum(),
        "converted": pl.col("converted").sum(),
        "single_event": (pl.col("events") == 1).sum(),
        "events": pl.col("events").sum(),
        "seconds": (pl.col("ended_ms") - pl.col("started_ms")).sum() / 1_000,
        "revenue_e4": sessions.saturating_sum("revenue_e4"),
    }
    return started.select(measures[column].cast(kind).alias(column) for column, kind in MEASURES.items())
