"""The swap: one transaction that compares what is staged with what is stored and replaces what differs."""

import logging
from dataclasses import dataclass
from datetime import date

from psycopg import sql

from clickstream.backfill.catch_up import CatchUp
from clickstream.backfill.day import BackfillError
from clickstream.backfill.staging import Cursor
from clickstream.warehouse.frames import statement
from clickstream.warehouse.retention import SWAPS, is_whole, stored_horizon

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Table:
    """A table that follows from events. `day` says which of its rows are of the day (bound: since, until, day)."""

    name: str
    key: tuple[str, ...]
    day: str


TABLES = (
    Table("sessions", ("session_id",), "started_at >= %(since)s and started_at < %(until)s"),
    Table("session_anomalies", ("session_id", "kind"), "started_at >= %(since)s and started_at < %(until)s"),
    Table("traffic_minute", ("minute", "event_type", "device", "is_bot"), "minute >= %(since)s and minute < %(until)s"),
    Table("page_minute", ("minute", "page_path", "is_bot"), "minute >= %(since)s and minute < %(until)s"),
    Table("load_minute", ("minute", "bucket", "is_bot"), "minute >= %(since)s and minute < %(until)s"),
    # The fold may leave a link with no sessions.
    Table("journey_links", ("day", "step", "source", "target"), "day = %(day)s and sessions <> 0"),
)


def swap_events(cursor: Cursor, catch_up: CatchUp) -> int:
    """Compare what is derived from each staged event with what is stored and replace it; how many differed.

    The stream only adds events, so this waits for nobody and nobody for this. Raises BackfillError when an event is
    not stored any more, or one is stored that was not accepted.
    """
    bound = _bound(catch_up)
    cursor.execute(statement("backfill/count_stored.sql"), bound)
    [(stored, accepted)] = cursor.fetchall()
    if stored != accepted:
        raise BackfillError(f"{stored} events of {catch_up.day.date} are stored, but {accepted} were accepted")
    cursor.execute(statement("backfill/compare_events.sql"), bound)
    cursor.execute("select count(*), count(*) filter (where stored is null) from pg_temp.differing_events")
    [(differing, missing)] = cursor.fetchall()
    if missing:
        raise BackfillError(f"{missing} events of {catch_up.day.date} have an id, but are not in the table of events")
    if differing:
        cursor.execute(statement("backfill/note_events.sql"), bound)
        cursor.execute(statement("backfill/update_events.sql"), bound)
    return int(differing)


def swap_tables(cursor: Cursor, catch_up: CatchUp, topic: str) -> dict[str, int]:
    """Hold the stream, add what it accepted meanwhile, compare and replace; how many rows differed, by table.

    Run it at the end of a transaction: the stream waits until that commits.
    """
    cursor.execute(statement("backfill/lock_offsets.sql"), {"topic": topic})
    vector = {int(partition): int(offset) for partition, offset in cursor.fetchall()}
    log.info("the stream waits; adding its last %d records", catch_up.behind(vector))
    while catch_up.behind(vector):
        catch_up.step(cursor, vector)
    return {table.name: _swap_table(cursor, table, catch_up) for table in TABLES}


def tell_models(cursor: Cursor, catch_up: CatchUp) -> None:
    """clickstream_models builds the day again; the users whose rows changed were noted with them."""
    cursor.execute(statement("backfill/changed_hours.sql"), _bound(catch_up))


def take_turn(cursor: Cursor, catch_up: CatchUp) -> None:
    """One swap at a time, and only by the newest run of a day. Raises BackfillError for others."""
    cursor.execute("select pg_advisory_xact_lock(%s)", [SWAPS])
    require_whole(cursor, catch_up.day.date)
    cursor.execute("select max(run) from clickstream.backfill_runs where day = %s", [catch_up.day.date])
    [(newest,)] = cursor.fetchall()
    if newest != catch_up.run:
        raise BackfillError(f"run {newest} of {catch_up.day.date} began after this one ({catch_up.run})")


def require_whole(cursor: Cursor, day: date) -> None:
    """Raises BackfillError when retention took away what a recompute of the day needs."""
    horizon = stored_horizon(cursor)
    if not is_whole(day, horizon):
        raise BackfillError(
            f"{day} cannot be recomputed: retention keeps events since {horizon}, and the first day that has all of its"
            " own and the night before is the next"
        )


def _swap_table(cursor: Cursor, table: Table, catch_up: CatchUp) -> int:
    bound = _bound(catch_up) | {"table": table.name}
    parts = _parts(cursor, table)
    cursor.execute(
        sql.SQL("create temporary table changed_rows on commit drop as select {key}, null::jsonb as key,"
                " null::jsonb as stored, null::jsonb as recomputed from {target} with no data").format(**parts)
    )  # fmt: skip
    cursor.execute(
        sql.SQL(
            "insert into pg_temp.changed_rows"
            " select {key}, (select to_jsonb(named) from (select {key}) as named),"
            " to_jsonb(stored), to_jsonb(recomputed)"
            " from (select {columns} from {target} where {day}) as stored"
            " full join (select {columns} from ({recomputed}) as staged) as recomputed using ({key})"
            " where stored is distinct from recomputed"
        ).format(**parts),
        bound,
    )
    differing = cursor.rowcount
    if differing:
        cursor.execute(statement("backfill/note_changes.sql"), bound)
        cursor.execute(
            sql.SQL("delete from {target} using pg_temp.changed_rows as changed where {same}").format(**parts), bound
        )
        cursor.execute(
            sql.SQL(
                "insert into {target} ({columns}) select {columns} from ({recomputed}) as staged"
                " inner join (select {key} from pg_temp.changed_rows where recomputed is not null) as changed"
                " using ({key})"
            ).format(**parts),
            bound,
        )
        if table.name == "sessions":
            cursor.execute(statement("backfill/changed_users.sql"), bound)
    cursor.execute("drop table pg_temp.changed_rows")
    return differing


def _parts(cursor: Cursor, table: Table) -> dict[str, sql.Composable]:
    cursor.execute(
        "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped"
        " and attgenerated = '' order by attnum",
        [f"clickstream.{table.name}"],
    )
    columns = [name for (name,) in cursor.fetchall()]
    target = sql.Identifier("clickstream", table.name)
    same = (
        sql.SQL("{}.{} = changed.{}").format(target, sql.Identifier(name), sql.Identifier(name)) for name in table.key
    )
    return {
        "target": target,
        "columns": sql.SQL(", ").join(map(sql.Identifier, columns)),
        "key": sql.SQL(", ").join(map(sql.Identifier, table.key)),
        "same": sql.SQL(" and ").join(same),
        "day": sql.SQL(table.day),
        "recomputed": sql.SQL(statement(f"backfill/recomputed_{table.name}.sql")),
    }


def _bound(catch_up: CatchUp) -> dict[str, object]:
    day = catch_up.day
    return {"run": catch_up.run, "since": day.start, "until": day.end, "day": day.date}
