"""One user out of everything that is stored: a search finds nothing, and the sums are right without them."""

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from builders import encoded, event
from clickstream.archive.job import archive
from clickstream.backfill.job import backfill
from clickstream.erasure.job import erase
from clickstream.erasure.tombstones import user_hash
from clickstream.spool import SpooledRecord, SpoolWriter
from stream_shop import Shop

VICTIM = "victim-7f3a"
DAYS = [date(2026, 6, 1), date(2026, 6, 2)]
TABLES = "select relname from pg_class where relnamespace = 'clickstream'::regnamespace and relkind in ('r', 'p')"


def found(shop: Shop, directory: Path) -> set[str]:
    """Every table, file of the archive and spool file that names the user."""
    text, raw = VICTIM, VICTIM.encode()
    tables = {
        table
        for (table,) in shop.rows(TABLES)
        if shop.rows(
            f"select exists (select from {table} as t where t::text like %s or t::text like %s)",
            f"%{text}%",
            f"%{raw.hex()}%",
        )
        == [(True,)]
    }
    files = {
        path.suffix
        for path in directory.rglob("*")
        if path.is_file() and (raw in path.read_bytes() or (path.suffix == ".parquet" and raw in _values(path)))
    }
    return tables | files


def _values(path: Path) -> bytes:
    table = pq.read_table(path)
    return b"".join(value or b"" for value in table["value"].to_pylist()) if "value" in table.column_names else b""


def traffic() -> list[bytes]:
    theirs = [encoded(event(n, n * 3_600, VICTIM, properties={"page_load_ms": 5})) for n in range(24)]
    others = [encoded(event(100 + n, n * 1_800, f"user-{n % 5}")) for n in range(48)]
    odd = [
        encoded(event(200, 0, VICTIM) | {"event_type": "Not A Type"}),
        b'{"user_id": "' + VICTIM.encode() + b'", "cut',
        encoded(event(201, 0, "user-1") | {"event_type": "Not A Type"}),
    ]
    return [*theirs, *others, *odd]


@pytest.mark.timeout(580)
def test_nothing_is_left_and_nothing_comes_back(spark: SparkSession, shop: Shop) -> None:
    state = shop.platform.state_dir
    shop.produce(traffic())
    shop.stream()
    archive(spark, shop.platform)
    spool = SpoolWriter(state / "spool")
    for user in (VICTIM, "user-1"):
        spool.add(SpooledRecord(user.encode(), encoded(event(300, 0, user)), []))
    spool.close()
    before = shop.tables()
    assert found(shop, state) >= {"events", "sessions", "dead_letters", "model_changes", ".parquet", ".spool"}

    dry = erase(spark, shop.platform, VICTIM, dry_run=True)
    assert {name: dry[name] for name in ("events", "event_ids", "dead_letters", "spool", "archive", "days")} == {
        "events": 24, "event_ids": 24, "dead_letters": 2, "spool": 1, "archive": 26, "days": 2,
    }  # fmt: skip
    assert shop.tables() == before
    assert shop.rows("select count(*) from erased_users") == [(0,)]

    assert erase(spark, shop.platform, VICTIM, dry_run=False) == dry
    assert found(shop, state) == set()
    assert shop.rows("select user_hash from erased_users") == [(user_hash(VICTIM),)]
    assert shop.rows(
        "select count(*)::int, sum(case when reason = 'erased' then 1 else 0 end)::int from dead_letters"
    ) == [(3, 2)]
    kept = shop.tables()
    others = {table: [row for row in before[table] if VICTIM not in row[0]] for table in ("events", "sessions")}
    assert {table: kept[table] for table in others} == others
    assert shop.rows("select sum(events)::int from traffic_minute") == [(48,)]
    assert kept["load_minute"] == []

    shop.produce(traffic())  # the same log again, in which theirs are new and the others' are not
    shop.stream()
    archive(spark, shop.platform)
    for day in DAYS:
        backfill(spark, shop.platform, day)
        assert shop.differences(day) == {}
    assert shop.tables() == kept
    assert found(shop, state) == set()
    sums = "select sum(read)::int, sum(accepted)::int, sum(duplicate)::int, sum(rejected)::int from stream_slices"
    assert shop.rows(sums) == [(150, 72, 48, 30)]
    assert erase(spark, shop.platform, VICTIM, dry_run=True)["archive"] == 0
