"""The checks of stream and models: each can fail, `fail` stops the run by name, `warn` only reports."""

from datetime import UTC, datetime

import psycopg
import pytest

from sql_warehouse import MODELS, Event, Warehouse

START, END = datetime(2026, 1, 5, 10, 0, tzinfo=UTC), datetime(2026, 1, 5, 10, 5, tzinfo=UTC)
EVENTS = [
    "a pv 05 10:00:00 desktop page=/ page_load_ms=100",
    "a v 05 10:00:20 desktop product_id=p",
    "a pv 05 10:00:40 desktop page=/cart",
    "b pv 05 10:04:59",
    "b pv 05 10:05:00 desktop referrer=https://www.google.com/",
    "g pv 05 10:01:00 desktop bot",
    "a pv 12 10:00:00",
]
NAMES = tuple(name for name in MODELS if not name.startswith("funnel_"))
FAIL = {
    "stream: offsets read = accepted + duplicate + rejected",
    "stream: the ledger is where the last slice ends",
    "stream: minute counts = stored events",
    "stream: every event of the last hour lies in one session",
    "stream: sessions of the last hour count their events",
    "traffic_hourly: events = minute counts",
    "traffic_hourly: sessions = stored sessions",
    "visits: visits = stored sessions",
    "traffic_daily: days = sums of their hours",
    "acquisition_daily: each session under each rule",
    "pages: every viewed page is known",
    "page_loads_hourly: loads = minute counts",
    "pages_daily: views = those of the day",
    "pages_daily: entrances = exits",
    "paths_daily: every session with a page has a path",
    "products_hourly: no more than happened",
    "products_daily: days = sums of their hours",
    "journey_flows: links in = links out",
    "journey_flows: every session with a page begins once",
    "user_weeks: the cohort is the first week",
    "retention_weekly: the counts are the lengths of the lists",
    "retention_weekly: no cohort grows",
    "session_sizes_daily: each session in one class of each measure",
    "bots_daily: each session is of one kind",
    "late_hourly: accepted = those of the slices",
}
WARN = {
    "stream: the stream has written lately",
    "stream: rejected share of the interval",
    "traffic_hourly: volume of the last whole hour",
    "acquisition_daily: sessions without a channel",
    "products_hourly: product views that name their product",
    "journey_flows: forward flows = journey_links",
    "bots_daily: sessions that are not of people",
    "late_hourly: late share of live events",
}
SLICE = (
    "insert into clickstream.stream_slices (topic, partition, first_offset, next_offset, epoch, read, accepted,"
    " duplicate, rejected, late, history, first_kafka_time, last_kafka_time, seconds)"
    " values ('t', 0, {}, {}, 1, {}, {}, {}, {}, 0, 0, '2026-01-20', '2026-01-20', 0.1)"
)


@pytest.fixture
def built(warehouse: Warehouse) -> Warehouse:
    """Two slices and a run's models, built and not yet checked."""
    warehouse.store(map(Event.parse, EVENTS[:4]))
    warehouse.store(map(Event.parse, EVENTS[4:]))
    for path in ("scope/claim.sql", *(f"{name}/query.sql" for name in NAMES)):
        warehouse.run(path, "run", START, END)
    return warehouse


def check(warehouse: Warehouse, within: psycopg.Connection | None = None) -> tuple[bool, str]:
    """Run all checks and the gate: whether it passes, and what it says."""
    for name in NAMES:
        warehouse.run(f"{name}/checks.sql", "run", START, END, within)
    [(passed, summary)] = warehouse.run("scope/gate.sql", "run", START, END, within)
    return passed, summary


def test_all_pass_and_are_kept(built: Warehouse) -> None:
    assert check(built) == (True, "33 checks, 0 failed")
    kept = built.rows("select check_name, severity from clickstream.check_results where passed")
    assert set(kept) == {(name, "fail") for name in FAIL} | {(name, "warn") for name in WARN}


def test_checking_again_replaces_the_results(built: Warehouse) -> None:
    built.execute("update clickstream.traffic_minute set events = events + 1")
    assert not check(built)[0]
    built.execute("update clickstream.traffic_minute set events = events - 1")
    assert check(built) == (True, "33 checks, 0 failed")
    assert built.rows("select count(*) from clickstream.check_results") == [(33,)]


# What is damaged, and the check that must name it; others may fail beside it.
DAMAGE = {
    "update traffic_minute set events = events + 1": "stream: minute counts = stored events",
    "update stream_offsets set next_offset = 21": "stream: the ledger is where the last slice ends",
    "update reconciliation set duplicate = duplicate + 1": "stream: offsets read = accepted + duplicate + rejected",
    "delete from sessions where user_id = 'b'": "stream: every event of the last hour lies in one session",
    "update sessions set events = events + 1 where bot is null": "stream: sessions of the last hour count their events",
    "update traffic_hourly set events = events + 1": "traffic_hourly: events = minute counts",
    "delete from sessions where bot is not null": "traffic_hourly: sessions = stored sessions",
    "delete from visits where user_id = 'b'": "visits: visits = stored sessions",
    "update traffic_daily set revenue_e4 = 1": "traffic_daily: days = sums of their hours",
    "delete from acquisition_daily where touch = 'first'": "acquisition_daily: each session under each rule",
    "delete from pages where page_path = '/cart'": "pages: every viewed page is known",
    "delete from page_loads_hourly": "page_loads_hourly: loads = minute counts",
    "update pages_daily set views = views + 1": "pages_daily: views = those of the day",
    "update pages_daily set exits = exits + 1": "pages_daily: entrances = exits",
    "delete from paths_daily": "paths_daily: every session with a page has a path",
    "update products_hourly set purchases = 1": "products_hourly: no more than happened",
    "delete from products_daily": "products_daily: days = sums of their hours",
    "delete from journey_flows where step = 2": "journey_flows: links in = links out",
    "update journey_flows set sessions = 9": "journey_flows: every session with a page begins once",
    "update user_weeks set cohort_week = cohort_week - 7": "user_weeks: the cohort is the first week",
    "delete from user_weeks where user_id = 'b'": "retention_weekly: the counts are the lengths of the lists",
    "update retention_weekly set cohort_users = 0": "retention_weekly: no cohort grows",
    "delete from session_sizes_daily where measure = 'seconds'": (
        "session_sizes_daily: each session in one class of each measure"
    ),
    "delete from bots_daily where kind = 'people'": "bots_daily: each session is of one kind",
    "update late_hourly set accepted = accepted - 1": "late_hourly: accepted = those of the slices",
}


def test_every_check_that_can_stop_a_run_is_damaged() -> None:
    assert set(DAMAGE.values()) == FAIL


# The same for what is only reported.
DOUBT = {
    "update stream_slices set applied_at = '2026-01-05 10:01+00'": "stream: the stream has written lately",
    "update stream_slices set applied_at = '2026-01-05 10:01+00', accepted = 0, rejected = read": (
        "stream: rejected share of the interval"
    ),
    "insert into traffic_hourly (hour, is_bot, events, page_views, sessions, users, engaged, converted, revenue_e4)"
    " values ('2025-12-29 09:00+00', false, 9, 9, 9, 9, 9, 0, 0)": "traffic_hourly: volume of the last whole hour",
    "update acquisition_daily set channel = 'Unassigned'": "acquisition_daily: sessions without a channel",
    "update products_hourly set views = 0": "products_hourly: product views that name their product",
    "update journey_links set sessions = sessions + 1": "journey_flows: forward flows = journey_links",
    "update bots_daily set kind = 'rate' where kind = 'people'": "bots_daily: sessions that are not of people",
    "update late_hourly set late = accepted": "late_hourly: late share of live events",
}


def test_every_check_is_damaged() -> None:
    assert set(DAMAGE.values()) == FAIL
    assert set(DOUBT.values()) == WARN


def test_damage_stops_the_run_by_name_and_doubt_is_reported(built: Warehouse) -> None:
    with psycopg.connect(built.dsn, options="-c search_path=clickstream") as connection:
        for change, name in {**DAMAGE, **DOUBT}.items():
            with connection.transaction(force_rollback=True):
                connection.execute(change)
                passed, summary = check(built, connection)
            severity = "fail" if name in FAIL else "warn"
            assert f"{severity} - {name}: " in summary, change
            assert passed == ("fail - " not in summary), change


def test_a_warning_alone_does_not_stop_the_run(built: Warehouse) -> None:
    built.execute("update clickstream.journey_links set sessions = sessions + 1")
    passed, summary = check(built)
    assert passed
    assert summary.startswith(
        "33 checks, 1 failed; warn - journey_flows: forward flows = journey_links: 4 links differ"
    )


def test_a_missing_slice_is_seen(built: Warehouse) -> None:
    built.execute("update clickstream.stream_offsets set next_offset = 18", SLICE.format(8, 18, 10, 10, 0, 0))
    built.run("reconciliation/query.sql", "run", START, END)
    passed, summary = check(built)
    assert not passed
    assert "t/0: offsets 0 to 17, read 17 = 17 + 0 + 0, expected every partition agrees" in summary


def test_no_results_are_no_success(warehouse: Warehouse) -> None:
    assert warehouse.run("scope/gate.sql", "run", START, END) == [(None, "0 checks, 0 failed")]


def test_reconciliation_in_pieces_equals_the_whole(built: Warehouse) -> None:
    columns = "first_offset, next_offset, slices, read, accepted, duplicate, rejected, agrees"
    first = built.rows(f"select {columns} from clickstream.reconciliation")
    assert first == [(0, 7, 2, 7, 7, 0, 0, True)]
    built.execute("update clickstream.stream_offsets set next_offset = 12", SLICE.format(7, 12, 5, 0, 5, 0))
    for _ in range(2):
        built.run("reconciliation/query.sql")
    pieces = built.rows(f"select {columns} from clickstream.reconciliation")
    assert pieces == [(0, 12, 3, 12, 7, 5, 0, True)]
    built.execute("delete from clickstream.reconciliation")
    built.run("reconciliation/query.sql")
    assert built.rows(f"select {columns} from clickstream.reconciliation") == pieces
