"""What late events did to sessions. It depends on arrival, so it is kept apart from the sessions themselves."""

import polars as pl


def session_arrivals(late: pl.DataFrame, before: pl.DataFrame, after: pl.DataFrame, gap_ms: int) -> pl.DataFrame:
    """One row for each session of `after` that got late events.

    ``late``: the late events of a slice (user_id, event_ms, kafka_ms); ``before``: the stored sessions that it
    touched, ``after``: what they became (both user_id, started_ms, ended_ms; ``after`` session_id too).
    Gives session_id, user_id, kafka_ms (of the last of them), late_events, reopened (a stored session was over by
    more than the gap when they came), joined (stored sessions that became one, less that one).
    """
    bounds = after.select("user_id", "session_id", "started_ms").sort("started_ms")
    arrived = (
        _within(late.select("user_id", "event_ms", "kafka_ms"), "event_ms", bounds)
        .group_by("session_id", "user_id")
        .agg(pl.col("kafka_ms").max(), pl.len().cast(pl.Int32).alias("late_events"))
    )
    former = (
        _within(before.select("user_id", first_ms="started_ms", over_ms="ended_ms"), "first_ms", bounds)
        .group_by("session_id")
        .agg(pl.col("over_ms").min(), (pl.len() - 1).cast(pl.Int16).alias("joined"))
    )
    reopened = (pl.col("kafka_ms") - pl.col("over_ms") > gap_ms).fill_null(False)
    return (
        arrived.join(former, on="session_id", how="left")
        .select(
            "session_id", "user_id", "kafka_ms", "late_events",
            reopened.alias("reopened"), pl.col("joined").fill_null(0),
        )
        .sort("session_id")
    )  # fmt: skip


def _within(frame: pl.DataFrame, time: str, bounds: pl.DataFrame) -> pl.DataFrame:
    """Each row with the session of its user that started last before it."""
    return frame.sort(time).join_asof(
        bounds, left_on=time, right_on="started_ms", by="user_id", strategy="backward", check_sortedness=False
    )
