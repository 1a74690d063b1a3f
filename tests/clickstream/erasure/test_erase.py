"""One user out of everything that is stored: a search finds nothing, and the sums are right without them."""

from datetime import date

import pytest
from pyspark.sql import SparkSession

from builders import encoded, event, event_id
from clickstream.archive.job import archive
from clickstream.backfill.job import backfill
from clickstream.erasure.job import erase
from clickstream.erasure.tombstones import user_hash
from clickstream.spool import SpooledRecord, SpoolWriter
from sql_warehouse import Warehouse
from stream_shop import Shop
from traces import Traces

VICTIM = "victim-7f54"  # whose key is the least of all: a range of keys would show it
DAYS = [date(2026, 6, 1), date(2026, 6, 2)]
CORRUPT = (
    "update sessions set events = events + 1",
    "delete from sessions where user_id in ('user-1', %s) and started_at > '2026-06-02 00:00'",
    "update events set browser = 'Nonsense'",
    "update traffic_minute set events = events + 1",
)
DIFFS = "select count(*)::int from backfill_diffs where run > %s or key->>'event_id' = %s"


def traffic() -> list[bytes]:
    kinds = ("page_view", "view_item")
    theirs = [encoded(event(n, n * 3_600, VICTIM, kinds[n % 2], properties={"page_load_ms": 5})) for n in range(24)]
    others = [encoded(event(100 + n, n * 1_800, f"user-{n % 5}")) for n in range(48)]
    odd = [
        encoded(event(200, 0, VICTIM) | {"event_type": "Not A Type"}),
        b'{"user_id": "' + VICTIM.encode() + b'", "cut',
        encoded(event(201, 0, "user-1") | {"event_type": "Not A Type"}),
    ]
    return [*theirs, *others, *odd]


@pytest.fixture
def models(shop: Shop) -> Warehouse:
    return Warehouse(shop.dsn, shop.writer)


@pytest.mark.timeout(580)
def test_nothing_is_left_and_nothing_comes_back(spark: SparkSession, shop: Shop, models: Warehouse) -> None:
    state = shop.platform.state_dir
    shop.produce(traffic())
    shop.produce([b"not JSON, but of " + VICTIM.encode()])
    shop.stream()
    archive(spark, shop.platform)
    models.build()
    spool = SpoolWriter(state / "spool" / shop.platform.topic)
    for user in (VICTIM, "user-1"):
        spool.add(SpooledRecord(user.encode(), encoded(event(300, 0, user)), []))
    spool.close()
    before = shop.tables()
    sessions = shop.rows("select session_id::text from sessions where user_id = %s", VICTIM)
    for change in CORRUPT:
        shop.execute(change.replace("%s", f"'{VICTIM}'"))
    for day in DAYS:  # what backfills noted of the user before
        backfill(spark, shop.platform, day)
        shop.execute("insert into session_policies select %s, 'gap_15', 9, 9, 0, 9, 9, 9, 9, 9, 9", day)
    assert shop.tables() == before
    [(runs,)] = shop.rows("select max(run) from backfill_runs")
    assert shop.rows(DIFFS, runs, event_id(3)) == [(1,)]
    theirs = Traces(VICTIM, (*(event_id(n) for n in range(24)), *(found for (found,) in sessions)))
    assert theirs.everywhere(shop.platform, state) >= {
        "events", "event_ids", "sessions", "session_arrivals", "dead_letters", "backfill_diffs", "funnel_users",
        "user_weeks", "model_changes", ".parquet", ".spool",
    }  # fmt: skip

    dry = erase(spark, shop.platform, VICTIM, dry_run=True)
    assert {name: dry[name] for name in ("events", "event_ids", "dead_letters", "spool", "archive", "days")} == {
        "events": 24, "event_ids": 24, "dead_letters": 3, "spool": 1, "archive": 27, "days": 2,
    }  # fmt: skip
    assert shop.tables() == before
    assert shop.rows("select count(*) from erased_users") == [(0,)]

    assert erase(spark, shop.platform, VICTIM, dry_run=False) == dry
    assert theirs.everywhere(shop.platform, state) == set()
    assert shop.rows(DIFFS, runs, event_id(3)) == [(0,)]  # nor any by which the erasure tells what they did
    assert shop.rows(DIFFS, runs, event_id(100)) == [(1,)]
    assert shop.rows("select count(*) from session_policies") == [(0,)]
    assert shop.rows("select user_hash from erased_users") == [(user_hash(VICTIM),)]
    assert shop.rows(
        "select count(*)::int, sum(case when reason = 'erased' then 1 else 0 end)::int from dead_letters"
    ) == [(4, 3)]
    kept = shop.tables()
    others = {table: [row for row in before[table] if VICTIM not in row[0]] for table in ("events", "sessions")}
    assert {table: kept[table] for table in others} == others
    assert shop.rows("select sum(events)::int from traffic_minute") == [(48,)]
    assert kept["load_minute"] == []
    models.build("after")
    assert shop.rows("select sum(events)::int from traffic_daily") == [(48,)]
    assert shop.rows("select users::int from retention_weekly") == [(5,)]

    shop.produce(traffic())  # the same log again, in which theirs are new and the others' are not
    shop.stream()
    archive(spark, shop.platform)
    for day in DAYS:
        backfill(spark, shop.platform, day)
        assert shop.differences(day) == {}
    models.build("again")
    assert shop.tables() == kept
    assert theirs.everywhere(shop.platform, state) == set()
    sums = "select sum(read)::int, sum(accepted)::int, sum(duplicate)::int, sum(rejected)::int from stream_slices"
    assert shop.rows(sums) == [(151, 72, 48, 31)]
    assert erase(spark, shop.platform, VICTIM, dry_run=True)["archive"] == 0
