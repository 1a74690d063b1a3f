"""A user out of PostgreSQL."""

from datetime import date
from typing import NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from clickstream.erasure.records import is_theirs
from clickstream.erasure.tombstones import DETAIL, key_check, user_hash
from clickstream.sessions import session_id
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
            "insert into clickstream.tombstone_key (key_check) values (%s) on conflict do nothing", [key_check()]
        )
        cursor.execute(
            "insert into clickstream.erased_users (user_hash) values (%s) on conflict do nothing", [user_hash(user_id)]
        )


def erase_rows(cursor: Cursor, user_id: str) -> Erased:
    """Delete every row of the user, and the bytes of dead letters that are theirs; the models are told.

    Builds of the models wait until the transaction ends. Counts of minutes and links are still to be recomputed, for
    the days that are returned.
    """
    cursor.execute(statement("erasure/lock_models.sql"))
    bound = {"user_id": user_id}
    cursor.execute(statement("erasure/days.sql"), bound)
    days = [day for (day,) in cursor.fetchall()]
    counts = {}
    for place, query, values in (  # diffs and ids are found by the events: before those go
        ("backfill_diffs", "delete_diffs", bound | {"session_ids": _session_ids(cursor, user_id)}),
        ("session_policies", "delete_policies", {"days": days}),
        ("event_ids", "delete_ids", bound),
    ):
        cursor.execute(statement(f"erasure/{query}.sql"), values)
        counts[place] = cursor.rowcount
    cursor.execute(statement("erasure/tell_funnels.sql"), bound)
    cursor.execute(statement("erasure/tell_retention.sql"), bound)
    for table in _tables(cursor):
        delete = sql.SQL("delete from {} where user_id = %s").format(sql.Identifier("clickstream", table))
        cursor.execute(delete, [user_id])
        counts[table] = cursor.rowcount
    counts["dead_letters"] = _empty_letters(cursor, user_id)
    return Erased({table: rows for table, rows in counts.items() if rows}, days)


def _session_ids(cursor: Cursor, user_id: str) -> list[str]:
    """A session's id follows from its first event, and any event of the user may once have been a first one."""
    cursor.execute(statement("erasure/event_ids.sql"), {"user_id": user_id})
    return [str(UUID(bytes=session_id(user_id, found.bytes))) for (found,) in cursor.fetchall()]


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
