"""The accepted events of a slice folded into what is stored: sessions with what follows from them, and counts."""

from datetime import timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
import psycopg
from psycopg.rows import TupleRow

from clickstream import counts, journeys, sessions
from clickstream.anomalies.sessions import session_anomalies
from clickstream.arrivals import session_arrivals
from clickstream.partitioner import home_partitions
from clickstream.warehouse.adapt import TimestampArray, UuidArray
from clickstream.warehouse.frames import copy_frame, statement, time_of
from clickstream.warehouse.session_table import read_sessions, session_table

_SESSION_LOCKS = 0x5E55  # first key of the advisory locks on users' home partitions

Cursor = psycopg.Cursor[TupleRow]


class Folded(NamedTuple):
    """What follows from changed sessions: how the journey links change (`journeys.LINKS`), and the starts (Unix ms) of
    the sessions as they were and as they are."""

    links: pl.DataFrame
    starts: pl.Series


def fold_sessions(cursor: Cursor, accepted: pl.DataFrame, late: pl.DataFrame, gap_ms: int, partitions: int) -> Folded:
    """Merge the sessions of accepted events (columns of `slice.EVENTS_SCHEMA`) with those stored, and write them, what
    is odd about them, and what those events did to them that came late (some of the accepted).

    The links' rows are shared by slices: `add_counts` writes them.
    """
    pieces = sessions.fragments(accepted, gap_ms)
    _lock_homes(cursor, pieces, partitions)
    stored = _touched(cursor, pieces, gap_ms)
    rows = sessions.session_rows(sessions.merge(pl.concat([stored.drop("session_id"), pieces]), gap_ms))
    before = sessions.judged(stored)
    _write_sessions(cursor, stored, rows)
    _write_anomalies(cursor, before, rows)
    if len(late):
        arrived = session_arrivals(late, stored, rows, gap_ms)
        copy_frame(
            cursor, "session_arrivals", arrived.with_columns(time_of("kafka_ms").alias("kafka_time")).drop("kafka_ms")
        )
    links = journeys.changed(journeys.transitions(before), journeys.transitions(rows))
    return Folded(links, pl.concat([before["started_ms"], rows["started_ms"]]))


def _lock_homes(cursor: Cursor, pieces: pl.DataFrame, partitions: int) -> None:
    """A user may stand in two slices when a producer does not key by user. Locks are taken in order; when producers do
    key by user, each slice has only its own."""
    homes = np.unique(home_partitions([user.encode() for user in pieces["user_id"].unique()], partitions))
    for home in homes.tolist():
        cursor.execute("select pg_advisory_xact_lock(%s, %s)", [_SESSION_LOCKS, home])


def _touched(cursor: Cursor, pieces: pl.DataFrame, gap_ms: int) -> pl.DataFrame:
    """The stored sessions that fragments may join: columns of sessions.FRAGMENT and session_id."""
    cursor.execute(
        statement("fold/touched_sessions.sql"),
        {
            "users": pieces["user_id"].to_list(),
            "starts": TimestampArray(pieces["started_ms"].to_numpy()),
            "ends": TimestampArray(pieces["ended_ms"].to_numpy()),
            "gap": timedelta(milliseconds=gap_ms),
        },
    )
    return read_sessions(cursor.fetchall()).unique("session_id", keep="any")


def _write_sessions(cursor: Cursor, stored: pl.DataFrame, rows: pl.DataFrame) -> None:
    """Insert what is new, extend in place what stays, delete what became part of another session."""
    known = rows.join(stored, on="session_id", how="semi")
    gone = stored.join(rows, on="session_id", how="anti")["session_id"].to_list()
    if gone:
        cursor.execute("delete from clickstream.sessions where session_id = any(%s)", [UuidArray(gone)])
    copy_frame(cursor, "sessions", session_table(rows.join(stored, on="session_id", how="anti")))
    if len(known):
        cursor.execute(statement("fold/session_changes.sql"))
        copy_frame(cursor, "session_changes", session_table(known), schema="pg_temp")
        cursor.execute(statement("fold/extend_sessions.sql"))


def _write_anomalies(cursor: Cursor, before: pl.DataFrame, rows: pl.DataFrame) -> None:
    """They are a function of the session: only what was odd about it before, or is now, can have rows."""
    found = session_anomalies(rows)
    odd = pl.concat([session_anomalies(before), found])["session_id"].unique().to_list()
    if odd:
        cursor.execute("delete from clickstream.session_anomalies where session_id = any(%s)", [UuidArray(odd)])
    times = time_of("started_ms").alias("started_at")
    copy_frame(cursor, "session_anomalies", found.select(times, pl.exclude("started_ms")))


def add_counts(cursor: Cursor, accepted: pl.DataFrame, links: pl.DataFrame) -> None:
    """Add the counts of accepted events, and the changes of journey links: rows that slices share, in key order."""
    traffic = counts.traffic_minute(accepted)
    cursor.execute(
        statement("fold/add_traffic_minute.sql"),
        {
            "minutes": TimestampArray(traffic["minute_ms"].to_numpy()),
            "event_types": traffic["event_type"].to_list(),
            "devices": traffic["device"].to_list(),
            "is_bot": traffic["is_bot"].to_list(),
            "events": traffic["events"].to_list(),
            "revenue_e4": traffic["revenue_e4"].to_list(),
        },
    )
    pages = counts.page_minute(accepted)
    cursor.execute(
        statement("fold/add_page_minute.sql"),
        {
            "minutes": TimestampArray(pages["minute_ms"].to_numpy()),
            "page_paths": pages["page_path"].to_list(),
            "is_bot": pages["is_bot"].to_list(),
            "page_groups": pages["page_group"].to_list(),
            "views": pages["views"].to_list(),
        },
    )
    loads = counts.load_minute(accepted)
    cursor.execute(
        statement("fold/add_load_minute.sql"),
        {
            "minutes": TimestampArray(loads["minute_ms"].to_numpy()),
            "buckets": loads["bucket"].to_list(),
            "is_bot": loads["is_bot"].to_list(),
            "loads": loads["loads"].to_list(),
        },
    )
    cursor.execute(
        statement("fold/add_journey_links.sql"),
        {
            "days": links.select(time_of("day_ms").dt.date())["day_ms"].to_list(),
            "steps": links["step"].to_list(),
            "sources": links["source"].to_list(),
            "targets": links["target"].to_list(),
            "sessions": links["sessions"].to_list(),
        },
    )
