"""Retention: events and their ids are kept for so many days (`CLICKSTREAM_RETENTION_DAYS`); older ones go, for good.

So do the results of checks (`CLICKSTREAM_CHECKS_RETENTION_DAYS`).
"""

import logging
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import psycopg
from psycopg import errors
from tenacity import Retrying, before_sleep_log, retry_if_exception_type, stop_after_delay, wait_random_exponential

from clickstream.contract import OLDEST_EVENT_MS, too_old
from clickstream.maintenance import noted
from clickstream.settings import Settings
from clickstream.slice import Decoded, Records, refused
from clickstream.warehouse.frames import statement

log = logging.getLogger(__name__)

SWAPS = 0x5A4B  # the advisory lock of swaps and prunes: they take turns
_PATIENCE_SECONDS = 600
_OPTIONS = (
    "-c jit=off -c timezone=UTC -c client_connection_check_interval=2s"
    f" -c idle_in_transaction_session_timeout={_PATIENCE_SECONDS}s"
)


def stored_horizon(cursor: psycopg.Cursor[Any]) -> date | None:
    """The first UTC date whose events are kept; None when none were ever taken away."""
    row = cursor.execute(statement("retention/horizon.sql")).fetchone()
    return row and row[0]


def is_whole(day: date, horizon: date | None) -> bool:
    """Whether all is there that a recompute of a day needs: that of the horizon lacks the night before."""
    return horizon is None or day > horizon


def oldest_ms(horizon: date | None) -> int:
    """Midnight of the first day that is kept, in Unix ms."""
    if horizon is None:
        return OLDEST_EVENT_MS
    return int(datetime(horizon.year, horizon.month, horizon.day, tzinfo=UTC).timestamp()) * 1_000


def without_expired(decoded: Decoded, records: Records, horizon: date | None) -> Decoded:
    """A slice of `records` in which every event before the horizon is a dead letter (``too_old``)."""
    if horizon is None:
        return decoded
    expired = decoded.events["event_ms"] < oldest_ms(horizon)
    if not expired.any():
        return decoded
    letters = refused(decoded.events.filter(expired), records, too_old(oldest_ms(horizon)))
    return Decoded(decoded.events.filter(~expired), pl.concat([decoded.dead_letters, letters]))


def prune(settings: Settings, dry_run: bool, today: date | None = None) -> dict[str, int]:
    """Take away results of checks of more than `checks_retention_days` before `today` (UTC), and of events what is
    older than `retention_days`, where that is set.

    Results, ids, partitions of events (days) and old events without one that went, or in a dry run would go. Raises
    psycopg.errors.LockNotAvailable when readers left no gap for ten minutes, or other errors of the server; no event is
    gone then.
    """
    today = today or datetime.now(UTC).date()
    dsn = settings.postgres_writer.get_secret_value()
    with (
        psycopg.connect(dsn, autocommit=True, connect_timeout=10, options=_OPTIONS) as connection,
        noted(connection, "prune", dry_run) as counts,
    ):
        counts |= _check_results(connection, today - timedelta(days=settings.checks_retention_days), dry_run)
        if settings.retention_days is None:
            log.info("CLICKSTREAM_RETENTION_DAYS is not set: every event is kept; %s", counts)
            return counts
        before = today - timedelta(days=settings.retention_days)
        counts |= _expired(connection, before) if dry_run else _prune(connection, before)
        log.info("%s before %s: %s", "would delete" if dry_run else "deleted", before, counts)
    return counts


def _check_results(connection: psycopg.Connection, before: date, dry_run: bool) -> dict[str, int]:
    with connection.transaction(force_rollback=dry_run):
        done = connection.execute(statement("retention/delete_check_results.sql"), {"before": before})
    return {"check_results": done.rowcount}


def _expired(connection: psycopg.Connection, before: date) -> dict[str, int]:
    row = connection.execute(statement("retention/expired.sql"), {"horizon": before}).fetchone()
    assert row is not None  # noqa: S101 - counts are one row
    return dict(zip(("event_ids", "partitions", "old_events"), row, strict=True))


def _prune(connection: psycopg.Connection, before: date) -> dict[str, int]:
    """Nearly all goes while the stream writes; then it waits while the rest goes and the horizon moves."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [SWAPS])
        first = _delete_rows(cursor, before)
        # Whoever comes while this waits for a lock waits too: better let go of all that it holds and try again.
        for attempt in Retrying(
            retry=retry_if_exception_type((errors.LockNotAvailable, errors.DeadlockDetected)),
            wait=wait_random_exponential(multiplier=0.5, max=20),
            stop=stop_after_delay(_PATIENCE_SECONDS),
            before_sleep=before_sleep_log(log, logging.INFO),
            reraise=True,
        ):
            with attempt, connection.transaction():
                last = _close(cursor, before)
    return {name: first.get(name, 0) + rows for name, rows in last.items()}


def _close(cursor: psycopg.Cursor[Any], before: date) -> dict[str, int]:
    cursor.execute(statement("retention/hold_stream.sql"))
    counts = _delete_rows(cursor, before)
    row = cursor.execute("select clickstream.drop_expired(%s)", [before]).fetchone()
    cursor.execute(statement("retention/move_horizon.sql"), {"horizon": before})
    return counts | {"partitions": int(row[0]) if row else 0}


def _delete_rows(cursor: psycopg.Cursor[Any], before: date) -> dict[str, int]:
    bound = {"horizon": before}
    ids = cursor.execute(statement("retention/delete_ids.sql"), bound).rowcount
    old = cursor.execute(statement("retention/delete_old_events.sql"), bound).rowcount
    return {"event_ids": ids, "old_events": old}
