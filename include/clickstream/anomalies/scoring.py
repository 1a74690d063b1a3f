"""Judge the minutes that are closed and keep what was found: one transaction moves both, under the lease.

A driver that is killed goes on where it was; a minute that was judged is not judged again; a driver without the lease
writes nothing. A minute is closed once everything that Kafka received until `GRACE` after its end is applied.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from clickstream.anomalies.series import WINDOW_MINUTES, Anomaly, Minute, Series
from clickstream.live import load_percentile
from clickstream.warehouse.frames import statement
from clickstream.warehouse.ledger import LEASE, LeaseLostError

MINUTE = timedelta(minutes=1)
GRACE = timedelta(seconds=90)  # ordinary events reach Kafka within seconds of their time, repeats within minutes
REACH = timedelta(days=14)  # after a pause, and to learn from at the start: no older minute is judged
CHUNK = timedelta(hours=1)  # judged in one transaction
_INSERT = (
    "insert into clickstream.anomalies (metric, minute, value, expected, lower_bound, upper_bound, score, reason)"
    " values (%s, %s, %s, %s, %s, %s, %s, %s)"
)


def last_closed(connection: psycopg.Connection, topic: str, ends: Mapping[int, int], now: datetime) -> datetime | None:
    """The last minute that is closed; None before anything was applied.

    ``ends`` are the end offsets of the topic's partitions, asked for at ``now`` or later. A partition that is applied
    up to there is so until now, another one until its last applied record: a stream that catches up does not look
    like a shop without visitors.
    """
    until = [now]
    for partition, next_offset, last_kafka_time in connection.execute(
        statement("anomalies/applied_until.sql"), {"topic": topic}
    ):
        if next_offset < ends.get(partition, next_offset):
            if last_kafka_time is None:
                return None
            until.append(last_kafka_time)
    return _minute_of(min(until) - GRACE) - MINUTE


def advance(connection: psycopg.Connection, epoch: int, until: datetime, watched_since: datetime) -> bool:
    """Judge the next minutes up to ``until``, at most `CHUNK`; whether some are left.

    From ``watched_since`` on a minute without anything is an outage; before it, nobody may have looked, and it is
    left out. Where no fitting state is kept, all begins anew at the oldest minute within `REACH`.
    Raises LeaseLostError when another epoch holds the lease, and psycopg's errors; then nothing is stored.
    """
    with connection.transaction():
        _hold_lease(connection, epoch)
        series, first = _resume(connection, until - REACH)
        if first is None or first > until:
            return False
        last = min(until, first + CHUNK - MINUTE)
        minutes = read_minutes(connection, first, last, watched_since)
        found = [alarm for minute in minutes for alarm in series.observe(minute)]
        _store(connection, series, found, first, last)
        return last < until


def forget(connection: psycopg.Connection) -> None:
    """Let the stream learn anew from the minutes within `REACH` and judge them again, with what is stored now."""
    connection.execute("delete from clickstream.anomaly_state")


def read_minutes(
    connection: psycopg.Connection, first: datetime, last: datetime, watched_since: datetime
) -> list[Minute]:
    """The minutes from first to last, both inclusive, in order."""
    with connection.cursor(row_factory=dict_row) as cursor:
        bounds = {"first": first - WINDOW_MINUTES * MINUTE, "last": last}
        rows = cursor.execute(statement("anomalies/minutes.sql"), bounds).fetchall()
    known = [row["minute"] >= watched_since or row["seen"] > 0 or row["read"] > 0 for row in rows]
    # Where a gap begins or ends a minute is cut, and for a while after it windows reach into it: left out with it.
    return [
        _minute(rows[place], all(known[place - WINDOW_MINUTES : place + 2]))
        for place in range(WINDOW_MINUTES, len(rows))
    ]


def _minute(row: Mapping[str, Any], known: bool) -> Minute:
    loads = [{"bucket": bucket, "loads": loads} for bucket, loads in zip(row["buckets"], row["loads"], strict=True)]
    return Minute(
        minute=row["minute"].astimezone(UTC),
        events=row["events"],
        active_users=row["active_users"],
        checkouts=row["checkouts"],
        purchases=row["purchases"],
        revenue=row["revenue"],
        loads=sum(row["loads"]),
        load_p75_ms=load_percentile(loads, 0.75) if loads else math.nan,
        read=row["read"],
        rejected=row["rejected"],
        known=known,
    )


def _hold_lease(connection: psycopg.Connection, epoch: int) -> None:
    row = connection.execute(statement("anomalies/hold_lease.sql"), {"lease": LEASE}).fetchone()
    if row is None or row[0] != epoch:
        raise LeaseLostError(f"epoch {epoch} no longer holds the lease: a newer driver took over")


def _resume(connection: psycopg.Connection, oldest: datetime) -> tuple[Series, datetime | None]:
    """The detectors as they were left, and the first minute that they have not seen; None: there is none at all."""
    # Locked, so that `forget` beside it is not undone.
    kept = connection.execute("select metric, minute, state from clickstream.anomaly_state for update").fetchall()
    try:
        series = Series.from_state({metric: state for metric, _, state in kept})
    except ValueError:  # none yet, or of another version
        [(first,)] = connection.execute(
            "select min(minute) from clickstream.traffic_minute where minute >= %s", [oldest]
        ).fetchall()
        return Series(), first
    return series, max(min(minute for _, minute, _ in kept) + MINUTE, oldest)


def _store(
    connection: psycopg.Connection, series: Series, found: Sequence[Anomaly], first: datetime, last: datetime
) -> None:
    states = series.state()
    with connection.cursor() as cursor:
        cursor.execute("delete from clickstream.anomalies where minute between %s and %s", [first, last])
        cursor.executemany(_INSERT, [astuple(alarm) for alarm in found])
        cursor.execute(
            statement("anomalies/store_state.sql"),
            {"metrics": list(states), "states": [json.dumps(state) for state in states.values()], "minute": last},
        )


def _minute_of(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)
