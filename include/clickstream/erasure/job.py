"""Erase a user: tombstone, spool, PostgreSQL, archive; then recompute the counts of the days that knew the user."""

import json
import logging
from datetime import date
from typing import TYPE_CHECKING

import psycopg

from clickstream.archive.job import archive
from clickstream.archive.table import ArchiveError, location
from clickstream.backfill.day import BackfillError
from clickstream.backfill.job import backfill
from clickstream.backfill.staging import connect
from clickstream.erasure.archive import erase_records, their_records
from clickstream.erasure.spool import erase_spooled
from clickstream.erasure.tombstones import require_key, user_hash
from clickstream.erasure.warehouse import bury, erase_rows
from clickstream.settings import Settings
from clickstream.warehouse.frames import statement
from clickstream.warehouse.retention import is_whole, stored_horizon

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)


class ErasureError(Exception):
    """Some days could not be recomputed: their counts still have the user, whose rows and records are gone."""


class _DryRun(Exception):
    """Takes a transaction back."""


def erase(spark: "SparkSession", settings: Settings, user_id: str, dry_run: bool) -> dict[str, int]:
    """What was erased (in a dry run: would be), by place. Run again after whatever ended it: it goes on.

    Raises TombstoneError before anything is done, ErasureError at the end with the days whose counts cannot be
    recomputed, or the servers' errors.
    """
    with connect(settings.postgres_writer.get_secret_value()) as connection:
        with connection.cursor() as cursor:
            require_key(cursor)
        erasure = _begin(connection, user_id, dry_run)
        archive(spark, settings)  # what lies there can be found; what comes later meets the tombstone
        if not dry_run:
            bury(connection, settings.topic, user_id)
        counts = {"spool": erase_spooled(settings.state_dir / "spool", user_id, dry_run)}
        rows, days = _erase_rows(connection, erasure, user_id, dry_run)
        counts |= rows | {"days": len(days)}
        counts["archive"] = _erase_archive(spark, settings, user_id, dry_run)
        if not dry_run:
            _recompute(spark, settings, connection, days, user_hash(user_id))
        bound = {"erasure": erasure, "counts": json.dumps(counts), "user_hash": user_hash(user_id), "dry": dry_run}
        connection.execute(statement("erasure/finish.sql"), bound)
    log.info("%s: %s", "would be erased" if dry_run else "erased", counts)
    return counts


def _recompute(
    spark: "SparkSession", settings: Settings, connection: psycopg.Connection, days: list[date], user: bytes
) -> None:
    """The counts of days without the user. A day that fails stays owed and does not keep the others from theirs; one
    that cannot be recomputed, as retention took its events away, keeps its sums, which name nobody."""
    with connection.cursor() as cursor:
        horizon = stored_horizon(cursor)
    failed = []
    for day in days:
        try:
            if is_whole(day, horizon):
                backfill(spark, settings, day)
        except (ArchiveError, BackfillError) as error:
            log.error("%s: %s", day, error)
            failed.append(f"{day}: {error}")
        else:
            connection.execute(statement("erasure/forget_day.sql"), {"day": day, "user_hash": user})
    if failed:
        raise ErasureError(
            f"the user's rows and records are gone, but {len(failed)} of {len(days)} days still count them: mend the"
            f" cause and run it again. {'; '.join(failed)}"
        )


def _begin(connection: psycopg.Connection, user_id: str, dry_run: bool) -> int:
    row = connection.execute(
        "insert into clickstream.erasures (user_hash, dry_run) values (%s, %s) returning erasure",
        [user_hash(user_id), dry_run],
    ).fetchone()
    assert row is not None  # noqa: S101 - an insert returns its row
    return int(row[0])


def _erase_rows(
    connection: psycopg.Connection, erasure: int, user_id: str, dry_run: bool
) -> tuple[dict[str, int], list[date]]:
    """Rows by table, and the days to recompute: also those that a run which was killed had left."""
    try:
        with connection.transaction(), connection.cursor() as cursor:
            found = erase_rows(cursor, user_id)
            if dry_run:
                raise _DryRun
            cursor.execute(statement("erasure/owe_days.sql"), {"erasure": erasure, "days": found.days})
    except _DryRun:
        return found.counts, found.days
    left = connection.execute(statement("erasure/owed_days.sql"), {"user_hash": user_hash(user_id)}).fetchall()
    return found.counts, [day for (day,) in left]


def _erase_archive(spark: "SparkSession", settings: Settings, user_id: str, dry_run: bool) -> int:
    log.info("looking through %s", location(settings))
    return their_records(spark, settings, user_id).count() if dry_run else erase_records(spark, settings, user_id)
