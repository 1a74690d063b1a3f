"""A run's staged rows: what the recompute writes and the swap compares (tables backfill_…)."""

import json
from datetime import date

import polars as pl
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from clickstream import counts, journeys, sessions
from clickstream.anomalies.sessions import session_anomalies
from clickstream.warehouse import adapt
from clickstream.warehouse.frames import copy_frame, statement, time_of
from clickstream.warehouse.session_table import read_sessions, session_table

Cursor = psycopg.Cursor[TupleRow]
APPLICATION = "clickstream-backfill"
_OPTIONS = (
    "-c jit=off -c timezone=UTC -c work_mem=256MB"
    # A swap holds the stream: one whose driver was killed or stopped must let go.
    " -c client_connection_check_interval=2s -c idle_in_transaction_session_timeout=60s"
)


def connect(dsn: str) -> psycopg.Connection:
    """A connection of a backfill; many rows are sorted and joined on it."""
    connection = psycopg.connect(
        dsn, autocommit=True, connect_timeout=10, application_name=APPLICATION, options=_OPTIONS, keepalives_idle=10
    )
    adapt.register(connection)
    return connection


def open_run(connection: psycopg.Connection, topic: str, day: date, vector: dict[int, int]) -> int:
    """Begin a run; the staging of earlier runs of the day is gone, and so they cannot swap any more."""
    row = connection.execute(
        "select clickstream.open_backfill(%s, %s, %s)", [topic, day, json.dumps(vector)]
    ).fetchone()
    assert row is not None  # noqa: S101 - a function returns a row
    return int(row[0])


def close_run(connection: psycopg.Connection, run: int) -> None:
    """Forget what a run staged."""
    connection.execute("select clickstream.close_backfill(%s)", [run])


def accepted_copies(cursor: Cursor, events: pl.DataFrame) -> pl.DataFrame:
    """Those of `events` (event_id, kafka_partition, kafka_offset) that are the copies which the stream accepted."""
    cursor.execute(
        statement("backfill/accepted_copies.sql"),
        {
            "ids": adapt.UuidArray(events["event_id"].to_list()),
            "partitions": events["kafka_partition"].to_list(),
            "offsets": events["kafka_offset"].to_list(),
        },
    )
    places = pl.Series([place for (place,) in cursor], dtype=pl.UInt32)
    return events[places]


def stage_events(cursor: Cursor, run: int, events: pl.DataFrame) -> None:
    """What is derived from events (columns of `slice.EVENTS_SCHEMA`), and their counts."""
    _stage(
        cursor,
        run,
        "events",
        events.select(
            "event_id", time_of("event_ms").alias("event_time"), "user_id", "page_path", "page_group",
            "referrer_medium", "device", "browser", "bot", "product_id", "category",
        ),
    )  # fmt: skip
    minute = time_of("minute_ms").alias("minute")
    for table, counted in (
        ("traffic_minute", counts.traffic_minute(events)),
        ("page_minute", counts.page_minute(events)),
        ("load_minute", counts.load_minute(events)),
    ):
        _stage(cursor, run, table, counted.select(minute, pl.exclude("minute_ms")))


def stage_sessions(cursor: Cursor, run: int, pieces: pl.DataFrame) -> None:
    """Merged fragments as the day's sessions, with what follows from them."""
    rows = sessions.session_rows(pieces)
    _stage(cursor, run, "sessions", session_table(rows).select(pl.lit(False).alias("carried"), pl.all()))
    odd = session_anomalies(rows)
    _stage(cursor, run, "session_anomalies", odd.select(time_of("started_ms").alias("started_at"),
                                                        pl.exclude("started_ms")))  # fmt: skip
    _stage_links(cursor, run, journeys.transitions(rows))


def stage_carried(cursor: Cursor, run: int, pieces: pl.DataFrame) -> None:
    """Parts of sessions that belong to an earlier day: an event that comes late may join them."""
    rows = session_table(sessions.session_rows(pieces))
    _stage(cursor, run, "sessions", rows.select(pl.lit(True).alias("carried"), pl.all()))


def take_users(cursor: Cursor, run: int, users: list[str]) -> pl.DataFrame:
    """Take the staged sessions of users out again: as fragments, with `session_id` and `carried`."""
    cursor.execute(
        sql.SQL(
            "delete from clickstream.backfill_sessions where run = %(run)s and user_id = any(%(users)s)"
            " returning carried, session_id, {}"
        ).format(_fragment_columns()),
        {"run": run, "users": users},
    )
    found = cursor.fetchall()
    taken = read_sessions([row[1:] for row in found])
    taken = taken.with_columns(carried=pl.Series([row[0] for row in found], dtype=pl.Boolean))
    cursor.execute(
        "delete from clickstream.backfill_session_anomalies where run = %s and user_id = any(%s)", [run, users]
    )
    links = journeys.transitions(sessions.judged(taken.filter(~pl.col("carried"))))
    _stage_links(cursor, run, links.with_columns(-pl.col("sessions")))
    return taken


def stored_sessions(cursor: Cursor, users: list[str], start_ms: int, end_ms: int) -> pl.DataFrame:
    """Sessions of users as the stream stored them, that start in [start, end): as fragments."""
    cursor.execute(
        sql.SQL(
            "select session_id, {} from clickstream.sessions where user_id = any(%s)"
            " and started_at >= to_timestamp(%s / 1000.0) and started_at < to_timestamp(%s / 1000.0)"
        ).format(_fragment_columns()),
        [users, start_ms, end_ms],
    )
    return read_sessions(cursor.fetchall()).drop("session_id")


def _fragment_columns() -> sql.Composed:
    """The columns of sessions.FRAGMENT as sql/fold/touched_sessions.sql reads them."""
    return sql.SQL(", ").join(_fragment_column(name) for name in sessions.FRAGMENT)


def _fragment_column(name: str) -> sql.Composable:
    if name.endswith("_ms"):
        return sql.SQL("(extract(epoch from {}) * 1000)::bigint").format(sql.Identifier(name[:-3] + "_at"))
    forms = {
        "path": "to_json(path)::text",
        "path_at": "array_to_string(path_at, ',')",
        "bot": "case when bot = 'declared' then bot end",
    }
    return sql.SQL(forms[name]) if name in forms else sql.Identifier(name)


def _stage_links(cursor: Cursor, run: int, links: pl.DataFrame) -> None:
    _stage(cursor, run, "journey_links", links.select(time_of("day_ms").dt.date().alias("day"), pl.exclude("day_ms")))


def _stage(cursor: Cursor, run: int, table: str, rows: pl.DataFrame) -> None:
    copy_frame(cursor, f"backfill_{table}", rows.select(pl.lit(run, pl.Int64).alias("run"), pl.all()))
