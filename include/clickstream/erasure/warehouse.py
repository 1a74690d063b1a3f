"""A user out of PostgreSQL."""

from datetime import date
from typing import NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from clickstream.erasure.tombstones import DETAIL, owner, user_hash
from clickstream.warehouse.frames import statement

Cursor = psycopg.Cursor[TupleRow]


class Erased(NamedTuple):
    """Rows by table, and the UTC days whose counts the user was part of."""

    counts: dict[str, int]
    days: list[date]


def bury(connection: psycopg.Connection, topic: str, user_id: str) -> None:
    """Set the tombstone: when this returns, the stream accepts nothing of the user any more."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(statement("backfill/lock_offsets.sql"), {"topic": topic})
        cursor.execute(
            "insert into clickstream.erased_users (user_hash) values (%s) on conflict do nothing", [user_hash(user_id)]
        )


def erase_rows(cursor: Cursor, user_id: str) -> Erased:
    """Delete every row of the user, and the bytes of dead letters that are theirs; the models are told.

    Counts of minutes and links are still to be recomputed, for the days that are returned.
    """
    cursor.execute(statement("erasure/days.sql"), {"user_id": user_id})
    days = [day for (day,) in cursor.fetchall()]
    cursor.execute(statement("erasure/delete_ids.sql"), {"user_id": user_id})
    counts = {"event_ids": cursor.rowcount}
    cursor.execute(statement("erasure/tell_funnels.sql"), {"user_id": user_id})
    cursor.execute(statement("erasure/tell_retention.sql"), {"user_id": user_id})
    for table in _tables(cursor):
        query = sql.SQL("delete from {} where user_id = %s").format(sql.Identifier("clickstream", table))
        cursor.execute(query, [user_id])
        counts[table] = cursor.rowcount
    cursor.execute(statement("erasure/delete_diffs.sql"), {"user_id": user_id})
    counts["backfill_diffs"] = cursor.rowcount
    counts["dead_letters"] = _empty_letters(cursor, user_id)
    return Erased({table: rows for table, rows in counts.items() if rows}, days)


def _tables(cursor: Cursor) -> list[str]:
    cursor.execute(statement("erasure/tables.sql"))
    return [name for (name,) in cursor.fetchall()]


def _empty_letters(cursor: Cursor, user_id: str) -> int:
    cursor.execute(statement("erasure/letters.sql"), {"user_id": user_id})
    places = [place for *place, payload in cursor.fetchall() if is_theirs(payload, user_id)]
    cursor.executemany(
        "update clickstream.dead_letters set payload = null, reason = 'erased', detail = %s"
        " where topic = %s and partition = %s and kafka_offset = %s",
        [(DETAIL, *place) for place in places],
    )
    return len(places)


def is_theirs(value: bytes | None, user_id: str) -> bool:
    """Whether a record is the user's: it says so, or it can say nothing and names the user all the same."""
    told = owner(value)
    return told == user_id if told is not None else f'"{user_id}"'.encode() in (value or b"")
