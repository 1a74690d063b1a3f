"""The checks of clickstream_models: each can fail, `fail` stops the run by name, `warn` only reports."""

from datetime import UTC, datetime

import psycopg
import pytest

from sql_warehouse import Event, Warehouse

START, END = datetime(2026, 1, 5, 10, 0, tzinfo=UTC), datetime(2026, 1, 5, 10, 5, tzinfo=UTC)
EVENTS = ["a v 05 10:00:00", "a c 05 10:01:00", "b v 05 10:04:59", "b v 05 10:05:00"]
FAIL = {
    "stream: offsets read = accepted + duplicate + rejected",
    "stream: the ledger is where the last slice ends",
    "stream: minute counts = stored events",
    "funnel_users purchase: steps in order and within the window",
    "funnel_users purchase: step 1 on the day of the entry",
    "funnel_steps purchase: no step has more users than the one before",
    "funnel_steps purchase: the counts of step 1 are the lengths of the lists",
}
WARN = {"stream: the stream has written lately", "stream: rejected share of the interval"}
LEDGER = "insert into clickstream.stream_offsets (topic, topic_id, partition, next_offset) values ('t', 'id', 0, {})"
SLICE = (
    "insert into clickstream.stream_slices (topic, partition, first_offset, next_offset, epoch, read, accepted,"
    " duplicate, rejected, late, history, first_kafka_time, last_kafka_time, seconds)"
    " values ('t', 0, {}, {}, 1, {}, {}, {}, {}, 0, 0, now(), now(), 0.1)"
)


@pytest.fixture
def built(warehouse: Warehouse) -> Warehouse:
    """Two slices and a run's models, built and not yet checked."""
    warehouse.store(map(Event.parse, EVENTS))
    execute(warehouse, LEDGER.format(20), SLICE.format(0, 12, 12, 9, 2, 1), SLICE.format(12, 20, 8, 8, 0, 0))
    for path in ("scope/claim.sql", "reconciliation/query.sql", "funnel_users/query.sql", "funnel_steps/query.sql"):
        warehouse.run(path, "run", START, END)
    return warehouse


def check(warehouse: Warehouse) -> tuple[bool, str]:
    """Run all checks and the gate: whether it passes, and what it says."""
    for path in ("reconciliation/checks.sql", "funnel_users/checks.sql", "funnel_steps/checks.sql"):
        warehouse.run(path, "run", START, END)
    [(passed, summary)] = warehouse.run("scope/gate.sql", "run", START, END)
    return passed, summary


def execute(warehouse: Warehouse, *statements: str) -> None:
    with psycopg.connect(warehouse.dsn) as connection:
        for statement in statements:
            connection.execute(statement)


def failed(warehouse: Warehouse) -> set[str]:
    return {name for (name,) in warehouse.rows("select check_name from clickstream.check_results where not passed")}


def test_all_pass_and_are_kept(built: Warehouse) -> None:
    assert check(built) == (True, "9 checks, 0 failed")
    kept = built.rows("select check_name, severity from clickstream.check_results where passed")
    assert set(kept) == {(name, "fail") for name in FAIL} | {(name, "warn") for name in WARN}


def test_checking_again_replaces_the_results(built: Warehouse) -> None:
    check(built)
    execute(built, "delete from clickstream.events where user_id = 'b'")
    check(built)
    execute(built, "delete from clickstream.traffic_minute")
    execute(built, "delete from clickstream.events")
    assert check(built) == (True, "9 checks, 0 failed")
    assert built.rows("select count(*) from clickstream.check_results") == [(9,)]


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        ("update clickstream.traffic_minute set events = events + 1", "stream: minute counts = stored events"),
        (
            "update clickstream.stream_offsets set next_offset = 21",
            "stream: the ledger is where the last slice ends",
        ),
        (
            "update clickstream.reconciliation set duplicate = duplicate - 1",
            "stream: offsets read = accepted + duplicate + rejected",
        ),
        (
            "update clickstream.funnel_users set step_at[1] = step_at[2] + interval '1 second' where user_id = 'a'",
            "funnel_users purchase: steps in order and within the window",
        ),
        (
            "update clickstream.funnel_users set step_at[2] = step_at[1] + interval '14 days 1 second'"
            " where user_id = 'a'",
            "funnel_users purchase: steps in order and within the window",
        ),
        (
            "update clickstream.funnel_users set day = day + 40 where user_id = 'a'",
            "funnel_users purchase: step 1 on the day of the entry",
        ),
        (
            "update clickstream.funnel_steps set users = 9 where step = 3 and device = '(all)'",
            "funnel_steps purchase: no step has more users than the one before",
        ),
        (
            "update clickstream.funnel_steps set users = users + 1 where step = 1 and device = '(all)'",
            "funnel_steps purchase: the counts of step 1 are the lengths of the lists",
        ),
        (
            "delete from clickstream.funnel_steps where device = 'desktop'",
            "funnel_steps purchase: the counts of step 1 are the lengths of the lists",
        ),
    ],
)
def test_damage_stops_the_run_by_name(built: Warehouse, damage: str, name: str) -> None:
    execute(built, damage)
    passed, summary = check(built)
    assert name in failed(built)
    assert not passed
    assert f"fail - {name}: " in summary


def test_a_missing_slice_is_seen(built: Warehouse) -> None:
    execute(built, "update clickstream.stream_offsets set next_offset = 31", SLICE.format(21, 31, 10, 10, 0, 0))
    built.run("reconciliation/query.sql", "run", START, END)
    passed, summary = check(built)
    assert not passed
    assert "t/0: offsets 0 to 30, read 30 = 27 + 2 + 1, expected every partition agrees" in summary


def test_warnings_report_and_do_not_stop(built: Warehouse) -> None:
    execute(
        built,
        "update clickstream.stream_slices set applied_at = '2026-01-05 10:01+00', accepted = 0, rejected = read,"
        " duplicate = 0",
    )
    passed, summary = check(built)
    assert passed
    assert failed(built) == WARN
    assert "warn - stream: rejected share of the interval: 20 of 20 records, expected at most 5 percent" in summary


def test_no_results_are_no_success(warehouse: Warehouse) -> None:
    assert warehouse.run("scope/gate.sql", "run", START, END) == [(None, "0 checks, 0 failed")]


def test_reconciliation_in_pieces_equals_the_whole(built: Warehouse) -> None:
    columns = "first_offset, next_offset, slices, read, accepted, duplicate, rejected, agrees"
    first = built.rows(f"select {columns} from clickstream.reconciliation")
    assert first == [(0, 20, 2, 20, 17, 2, 1, True)]
    execute(built, "update clickstream.stream_offsets set next_offset = 25", SLICE.format(20, 25, 5, 0, 5, 0))
    for _ in range(2):
        built.run("reconciliation/query.sql")
    pieces = built.rows(f"select {columns} from clickstream.reconciliation")
    assert pieces == [(0, 25, 3, 25, 17, 7, 1, True)]
    execute(built, "delete from clickstream.reconciliation")
    built.run("reconciliation/query.sql")
    assert built.rows(f"select {columns} from clickstream.reconciliation") == pieces
