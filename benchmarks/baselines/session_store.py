"""A batch's sessions merged into those that PostgreSQL holds, with what is odd about them and their journey links."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import polars as pl
import pyarrow as pa
from psycopg.rows import dict_row

from clickstream.anomalies.sessions import session_anomalies

from . import fold, store


def merge_sessions(cursor: store.Cursor, events: pl.DataFrame) -> Counter[fold.Link]:
    """Most fragments begin a session or follow one: both in SQL. Late ones and those that join two are merged here.

    Gives how journey links change.
    """
    links: Counter[fold.Link] = Counter()
    fragments = fold.fragments(events)
    store.copy(cursor, ("fragment",), fragments.with_columns(position=pl.int_range(pl.len(), dtype=pl.Int32)))
    cursor.execute(store.statement("find_touched.sql"))
    appended = _append(cursor, links)
    cursor.execute(store.statement("insert_fragments.sql"))
    cursor.execute("select position, session_id, appends from touched")
    touching = cursor.fetchall()
    hard = [(position, session) for position, session, appends in touching if not appends]
    begun = fragments[sorted(set(range(len(fragments))) - {position for position, _, _ in touching})]
    merged = session_frame(_merge_hard_ones(cursor, fragments, hard, links))
    store.copy(cursor, ("clickstream", "sessions"), merged)
    for frame in (begun, merged):
        _count_links(links, frame.select(_ms("started_at"), "path", "bot", "quarantined").rows(), 1)
    rows = pl.concat([judged(begun), appended.select(list(JUDGED)), judged(merged)])
    replaced = [*appended["session_id"], *(session.bytes for _, session in hard)]
    replace_anomalies(cursor, replaced, rows)
    return links


def _append(cursor: store.Cursor, links: Counter[fold.Link]) -> pl.DataFrame:
    """Append fragments to the sessions that they follow; gives those sessions, with what `judged` has of them."""
    cursor.execute(store.statement("append_fragments.sql"))
    rows = pl.DataFrame(cursor.fetchall(), APPENDED, orient="row").with_columns(
        pl.col("path").str.json_decode(pl.List(pl.String)), pl.col("path_at").str.json_decode(pl.List(pl.Int64))
    )
    behaving = fold.behaviours(rows)
    if len(behaving):
        given = {"sessions": store.hexes(behaving["session_id"]), "bots": behaving["bot"].to_list()}
        cursor.execute(store.statement("name_bots.sql"), given)
        rows = rows.update(behaving, on="session_id")
    before = rows.select("started_ms", pl.col("path").list.head("old_views"), "old_bot", "old_quarantined")
    _count_links(links, before.rows(), -1)
    _count_links(links, rows.select("started_ms", "path", "bot", "quarantined").rows(), 1)
    return rows


def _merge_hard_ones(
    cursor: store.Cursor, fragments: pl.DataFrame, touching: list[tuple[int, UUID]], links: Counter[fold.Link]
) -> list[dict[str, Any]]:
    """The sessions that fragments make of those that they touch; these are taken out of the table."""
    users = defaultdict(list)
    hard = fragments[sorted({position for position, _ in touching})]
    aware = [pl.col(name).dt.replace_time_zone("UTC") for name in TIMES]
    for row in hard.with_columns(aware).iter_rows(named=True):
        users[row["user_id"]].append(row)
    gone = list({session for _, session in touching})
    with cursor.connection.cursor(row_factory=dict_row) as stored:
        for row in stored.execute(store.statement("take_sessions.sql"), {"sessions": gone}):
            for name in ("session_id", "first_event_id", "exit_event_id"):
                row[name] = fold.uuid_bytes(row[name])
            started_ms = round(row["started_at"].timestamp() * 1_000)
            _count_links(links, [(started_ms, row["path"], row["bot"], row["quarantined"])], -1)
            users[row["user_id"]].append(row)
    merged = [session for pieces in users.values() for session in fold.merge(pieces)]
    for session in merged:
        session["session_id"] = fold.session_id(session["user_id"], session["first_event_id"])
    return merged


def _count_links(links: Counter[fold.Link], rows: Iterable[tuple[Any, ...]], sign: int) -> None:
    """Add or take back the links of people among rows of start (Unix ms), path, bot, quarantined."""
    for started_ms, path, bot, quarantined in rows:
        if bot is None and not quarantined:
            for link in fold.links(started_ms, path):
                links[link] += sign


def session_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of fold.SESSION whose times are datetimes in UTC or Unix milliseconds."""
    return pl.DataFrame(pa.Table.from_pylist(rows, SESSION_SCHEMA))


def judged(sessions: pl.DataFrame) -> pl.DataFrame:
    """What tells whether sessions are odd, of a frame in the columns of fold.SESSION."""
    return sessions.with_columns(_ms("started_at").alias("started_ms"), _ms("ended_at").alias("ended_ms")).select(
        list(JUDGED)
    )


def replace_anomalies(cursor: store.Cursor, replaced: Iterable[bytes], rows: pl.DataFrame) -> None:
    """Store what is odd about sessions (columns of JUDGED); what was said of those that are replaced goes."""
    cursor.execute(
        "delete from clickstream.session_anomalies where session_id = any(%s::uuid[])", [store.hexes(replaced)]
    )
    found = session_anomalies(rows).with_columns(store.time_of("started_ms").alias("started_at")).drop("started_ms")
    store.copy(cursor, ("clickstream", "session_anomalies"), found)


def _ms(name: str) -> pl.Expr:
    return pl.col(name).dt.timestamp("ms")


TIMES = ("started_at", "ended_at", "exit_at", *fold.FIRST_TIMES)
_TYPES = dict.fromkeys(fold.SESSION, pa.string())
_TYPES |= dict.fromkeys(("session_id", "first_event_id", "exit_event_id", "path_event_ids"), pa.binary())
_TYPES |= dict.fromkeys(TIMES, pa.timestamp("ms", "UTC"))
_TYPES |= dict.fromkeys(fold.SUMS, pa.int32())
_TYPES |= dict.fromkeys(("engaged", "converted", "quarantined"), pa.bool_())
_TYPES |= {"revenue_e4": pa.int64(), "path": pa.list_(pa.string()), "path_at": pa.list_(pa.int64())}
SESSION_SCHEMA = pa.schema(_TYPES.items())
# What `session_anomalies` reads of a session.
JUDGED: dict[str, Any] = {
    "session_id": pl.Binary, "user_id": pl.String, "started_ms": pl.Int64, "ended_ms": pl.Int64,
    **dict.fromkeys(("events", "page_views", "item_views", "searches", "purchases", "payment_infos"), pl.Int32),
    "revenue_e4": pl.Int64, "path_at": pl.List(pl.Int64), "bot": pl.String,
}  # fmt: skip
# What append_fragments.sql returns.
APPENDED: dict[str, Any] = {
    **JUDGED, "path_at": pl.String, "path": pl.String, "scrolls": pl.Int32, "clicks": pl.Int32,
    "quarantined": pl.Boolean, "old_views": pl.Int32, "old_bot": pl.String, "old_quarantined": pl.Boolean,
}  # fmt: skip
