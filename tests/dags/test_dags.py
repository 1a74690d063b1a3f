"""The DAG files: each loads without errors and makes the DAGs that it is listed with, and Airflow can run them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from psycopg.conninfo import conninfo_to_dict

from clickstream.contract import Reason
from clickstream.generator import GeneratorOptions, generate
from clickstream.settings import Settings
from sql_warehouse import Event, Warehouse

ROOT = Path(__file__).parents[2]
# Every file of dags/ with its DAGs, by hand: a file that loads nothing cannot pass.
DAG_FILES = {
    "clickstream_archive.py": ["clickstream_archive"],
    "clickstream_backfill.py": ["clickstream_backfill"],
    "clickstream_erase.py": ["clickstream_erase"],
    "clickstream_generate.py": ["clickstream_generate"],
    "clickstream_maintenance.py": ["clickstream_maintenance"],
    "clickstream_models.py": ["clickstream_models"],
    "clickstream_replay.py": ["clickstream_replay"],
    "clickstream_stream.py": ["clickstream_stream"],
}


def airflow(environment: Mapping[str, str], *arguments: str) -> str:
    """Run an airflow command; its standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments], env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_every_file_is_listed_and_makes_its_dags(loaded: dict) -> None:
    assert sorted(DAG_FILES) == sorted(path.name for path in (ROOT / "dags").glob("*.py"))
    assert loaded["errors"] == {}
    assert loaded["warnings"] == 0
    assert loaded["files"] == DAG_FILES
    assert len(loaded["dags"]) == 8


def test_every_dag_tells_what_it_is(loaded: dict) -> None:
    for dag_id, dag in loaded["dags"].items():
        assert dag["doc"].startswith("### "), dag_id
        assert all(dag["params"].values()), f"{dag_id}: a param has no description"
        assert not dag["catchup"], dag_id


def test_every_dag_tells_what_to_do_when_it_fails(loaded: dict) -> None:
    assert {dag_id for dag_id, dag in loaded["dags"].items() if "**When it fails**" not in dag["doc"]} == set()


def test_generate(loaded: dict) -> None:
    dag = loaded["dags"]["clickstream_generate"]
    assert dag["timetable"] == "CronTriggerTimetable"
    assert dag["expression"] == "*/5 * * * *"
    assert dag["max_active_runs"] == 2
    assert list(dag["tasks"]) == ["produce"]
    assert dag["assets"] == {"produce": [[], ["topic clickstream.events"]]}


def test_stream(loaded: dict) -> None:
    dag = loaded["dags"]["clickstream_stream"]
    assert dag["timetable"] == "ContinuousTimetable"
    assert dag["max_active_runs"] == 1
    assert list(dag["params"]) == ["run_for"]
    assert dag["tasks"] == {"stream": ["SessionSparkSubmitOperator", [], None]}
    tables = (
        "anomalies", "dead_letters", "events", "journey_links", "load_minute", "page_minute", "session_anomalies",
        "session_arrivals", "sessions", "stream_offsets", "stream_slices", "traffic_minute",
    )  # fmt: skip
    stored = [*(f"clickstream.{name}" for name in tables), "dashboard live"]
    assert dag["assets"] == {"stream": [["topic clickstream.events"], stored]}
    [task] = dag["serialized"]["tasks"]
    assert task["__var"]["_operator_extra_links"] == {"Spark UI": "_link_SparkUi"}


def test_archive(loaded: dict) -> None:
    dag = loaded["dags"]["clickstream_archive"]
    assert (dag["timetable"], dag["expression"]) == ("CronTriggerTimetable", "*/10 * * * *")
    assert dag["max_active_runs"] == 1
    assert dag["tasks"] == {"archive": ["SessionSparkSubmitOperator", [], None]}
    assert dag["assets"] == {"archive": [["topic clickstream.events"], ["archive"]]}


def test_maintenance(loaded: dict) -> None:
    dag = loaded["dags"]["clickstream_maintenance"]
    assert (dag["timetable"], dag["expression"]) == ("CronTriggerTimetable", "30 3 * * *")
    assert dag["max_active_runs"] == 1
    assert dag["tasks"] == {
        "prune": ["_PythonDecoratedOperator", [], None],
        "archive": ["SessionSparkSubmitOperator", [], None],
    }


def test_batch_jobs_take_turns_and_say_what_helps(loaded: dict) -> None:
    batch = ("archive", "backfill", "erase", "maintenance")
    pools = {pool for name in batch for pool in loaded["dags"][f"clickstream_{name}"]["pools"].values()}
    assert pools == {"clickstream_batch"}
    for name in ("archive", "backfill", "maintenance", "replay"):
        assert "**When it fails**" in loaded["dags"][f"clickstream_{name}"]["doc"], name


def test_params_have_limits(loaded: dict) -> None:
    rules = {name: loaded["dags"][f"clickstream_{name}"]["rules"] for name in ("backfill", "erase", "replay")}
    assert rules["backfill"]["day"] == rules["backfill"]["day"] | {
        "default": None, "type": ["null", "string"], "format": "date",
    }  # fmt: skip
    assert rules["erase"]["user_id"] == rules["erase"]["user_id"] | {"minLength": 1, "maxLength": 128}
    assert rules["erase"]["dry_run"]["default"] is True
    assert rules["replay"]["dry_run"]["default"] is True
    assert rules["replay"]["contains"]["maxLength"] == 200
    assert rules["replay"]["reason"]["enum"] == [None, *map(str, Reason)]
    assert loaded["dags"]["clickstream_maintenance"]["rules"]["dry_run"]["default"] is False


def test_backfill(loaded: dict) -> None:
    dag = loaded["dags"]["clickstream_backfill"]
    assert (dag["timetable"], dag["expression"]) == ("CronDataIntervalTimetable", "0 0 * * *")
    assert dag["max_active_runs"] == 2
    assert dag["tasks"] == {"backfill": ["SessionSparkSubmitOperator", [], None]}
    assert dag["assets"]["backfill"][0] == ["archive"]
    assert "clickstream.sessions" in dag["assets"]["backfill"][1]
    assert "clickstream.session_arrivals" not in dag["assets"]["backfill"][1]


def test_models(loaded: dict) -> None:
    dag = loaded["dags"]["clickstream_models"]
    assert dag["timetable"] == "CronDataIntervalTimetable"
    assert dag["expression"] == "*/5 * * * *"
    assert dag["max_active_runs"] == 1
    sql, connection = "SQLExecuteQueryOperator", "clickstream_postgres"
    hours = ["journey_flows", "late_hourly", "page_loads_hourly", "products_hourly", "traffic_hourly", "visits"]
    days = [
        "acquisition_daily",
        "bots_daily",
        "pages_daily",
        "paths_daily",
        "products_daily",
        "session_sizes_daily",
        "traffic_daily",
    ]
    funnels = ["campaign_to_sign_up", "checkout", "purchase", "search_to_purchase"]
    schemas = (ROOT / "sql" / "models").glob("*/schema.yaml")
    columns = [f"check_{file.parent.name}" for file in schemas if "\nchecks:" in file.read_text()]
    assert len(columns) == 7
    begin = ["pages", "reconciliation", "weeks.user_weeks"]
    assert dag["tasks"] == {
        "claim": [sql, sorted([*(f"funnels.{name}.build" for name in funnels), *begin]), connection],
        "pages": [sql, [f"hours.{name}" for name in hours], connection],
        **{f"hours.{name}": [sql, [f"days.{name}" for name in days], connection] for name in hours},
        **{f"days.{name}": [sql, ["check"], connection] for name in days},
        "weeks.user_weeks": [sql, ["weeks.retention_weekly"], connection],
        "weeks.retention_weekly": [sql, ["check"], connection],
        "reconciliation": [sql, ["check"], connection],
        "check": [sql, sorted([*columns, "check_sessions"]), connection],
        "check_sessions": ["KeptTableCheckOperator", ["gate"], connection],
        **{name: ["KeptColumnCheckOperator", ["gate"], connection] for name in columns},
        **{f"funnels.{name}.build": [sql, [f"funnels.{name}.check"], connection] for name in funnels},
        **{f"funnels.{name}.check": [sql, ["gate"], connection] for name in funnels},
        "gate": ["BoundSQLCheckOperator", ["funnel_alerts", "release"], connection],
        "release": [sql, [], connection],
        "funnel_alerts": ["_PythonDecoratedOperator", [], None],
    }


def test_backfill_of_generate_covers_an_hour(airflow_environment: dict[str, str]) -> None:
    airflow(airflow_environment, "dags", "reserialize")
    out = airflow(
        airflow_environment, "backfill", "create", "--dag-id", "clickstream_generate", "--dry-run",
        "--from-date", "2026-01-01T10:00:00Z", "--to-date", "2026-01-01T10:55:00Z",
    )  # fmt: skip
    dates = [line.split("|")[1].strip() for line in out.splitlines() if line.startswith("| 2026")]
    assert dates == [f"2026-01-01 10:{minute:02}:00+00:00" for minute in range(0, 60, 5)]


def test_backfill_of_backfill_takes_both_dates(airflow_environment: dict[str, str]) -> None:
    airflow(airflow_environment, "dags", "reserialize")
    out = airflow(
        airflow_environment, "backfill", "create", "--dag-id", "clickstream_backfill", "--dry-run",
        "--from-date", "2026-01-01", "--to-date", "2026-01-03", "--reprocess-behavior", "completed",
        "--max-active-runs", "2",
    )  # fmt: skip
    dates = [line.split("|")[1].strip() for line in out.splitlines() if line.startswith("| 2026")]
    assert dates == [f"2026-01-0{day} 00:00:00+00:00" for day in (1, 2, 3)]


def test_a_run_of_models(airflow_environment: dict[str, str], warehouse: Warehouse) -> None:
    """The whole DAG by Airflow itself: its operators, hooks, connections, templates and bound parameters."""
    warehouse.store(map(Event.parse, ["a v 05 10:00:00", "a c 05 10:01:00", "b v 05 10:04:00"]))
    # Only the data interval says what to build.
    warehouse.execute("delete from clickstream.model_changes", "delete from clickstream.changed_hours")
    environment = airflow_environment | {
        "AIRFLOW_CONN_CLICKSTREAM_POSTGRES": _connection(warehouse.dsn),
        "CLICKSTREAM_POSTGRES_WRITER": warehouse.dsn,
    }
    airflow(environment, "dags", "test", "clickstream_models", "2026-01-05T10:05:00Z")
    assert warehouse.rows(
        "select step, users from clickstream.funnel_steps"
        " where funnel = 'purchase' and breakdown = '(all)' order by step"
    ) == [(1, 2), (2, 1), (3, 0), (4, 0)]
    assert warehouse.rows("select events, sessions, users from clickstream.traffic_daily") == [(3, 2, 2)]
    assert warehouse.rows("select users, share from clickstream.retention_weekly") == [(2, 1.0)]
    checks = warehouse.rows(
        "select interval_end, passed from clickstream.check_results"
        " where check_name not like 'funnel%' and severity = 'fail'"
    )
    by_files, by_operators = 25, 21
    assert checks == [(datetime(2026, 1, 5, 10, 5, tzinfo=UTC), True)] * (by_files + by_operators)
    for left in ("model_users", "model_hours", "funnel_days", "retention_weeks"):
        assert warehouse.rows(f"select count(*) from clickstream.{left}") == [(0,)], left


def test_a_run_of_generate(airflow_environment: dict[str, str], platform: Settings) -> None:
    """A window of the past by Airflow itself, through the connection: history, each event once."""
    kafka = {"conn_type": "kafka", "extra": {"bootstrap.servers": platform.kafka_bootstrap}}
    ours = {name: value for name, value in os.environ.items() if name.startswith("CLICKSTREAM_")}
    environment = {**airflow_environment, **ours, "AIRFLOW_CONN_CLICKSTREAM_KAFKA": json.dumps(kafka)}
    airflow(environment, "dags", "test", "clickstream_generate", "2026-01-05T10:00:00Z")
    records = _records(platform)
    start = datetime(2026, 1, 5, 10, tzinfo=UTC)
    expected = [
        value for batch in generate(GeneratorOptions(), start, start + timedelta(minutes=5)) for value in batch.values
    ]
    assert len(expected) > 1_000
    assert sorted(value for value, _ in records) == sorted(expected)
    assert {source for _, source in records} == {b"backfill"}


def _records(platform: Settings) -> list[tuple[bytes, bytes | None]]:
    """Value and header `source` of every record of the topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": platform.kafka_bootstrap,
            "group.id": "test",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(platform.topic, partition, OFFSET_BEGINNING) for partition in range(2)])
    records, ends = [], 0
    while ends < 2:
        message = consumer.poll(30)
        assert message is not None, "the broker does not answer"
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            ends += 1
        else:
            records.append((message.value(), dict(message.headers() or []).get("source")))
    consumer.close()
    return records


@pytest.mark.usefixtures("plugins")
def test_what_an_operator_checks_is_kept_also_when_it_fails(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowException

    from clickstream_sql import check_columns

    monkeypatch.setenv("AIRFLOW_CONN_CLICKSTREAM_POSTGRES", _connection(warehouse.dsn))
    warehouse.execute("insert into clickstream.retention_weekly values ('2026-01-05', '2026-01-12', default, 3, 2)")
    run = {"interval_end": "2026-01-05T10:05:00+00:00"}
    [check] = [
        check
        for check in check_columns(run, dict.fromkeys(("hour", "day", "week"), "true"))
        if check.task_id == "check_retention_weekly"
    ]
    check.conn_id = "clickstream_postgres"
    with pytest.raises(AirflowException, match="share"):
        check.execute({})
    kept = "select check_name, interval_end, severity, passed, observed, expected from clickstream.check_results"
    end = datetime(2026, 1, 5, 10, 5, tzinfo=UTC)
    assert sorted(warehouse.rows(kept)) == [
        ("retention_weekly: share.max", end, "fail", False, "1.5", "<=1.0"),
        ("retention_weekly: share.min", end, "fail", True, "1.5", ">=0.0"),
    ]


@pytest.mark.usefixtures("plugins")
def test_the_gate_fails_at_once_and_says_why(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from clickstream_sql import BoundSQLCheckOperator

    monkeypatch.setenv("AIRFLOW_CONN_CLICKSTREAM_POSTGRES", _connection(warehouse.dsn))
    end = "2026-01-05T10:05:00+00:00"
    gate = BoundSQLCheckOperator(
        task_id="gate",
        conn_id="clickstream_postgres",
        sql=(ROOT / "sql" / "models" / "scope" / "gate.sql").read_text(),
        parameters={"interval_end": "{{ end }}"},
        retry_on_failure=False,
    )
    gate.render_template_fields({"end": end})
    with psycopg.connect(warehouse.dsn) as connection:
        connection.execute(
            "insert into clickstream.check_results values ('stream: c', %s, 'fail', false, '7', '1', now())", [end]
        )
    with pytest.raises(AirflowFailException, match="fail - stream: c: 7, expected 1"):
        gate.execute({})


def _connection(dsn: str) -> str:
    part = conninfo_to_dict(dsn)
    return json.dumps(
        {
            "conn_type": "postgres",
            "host": part["host"],
            "port": int(part["port"]),
            "schema": part["dbname"],
            "login": part["user"],
            "password": part["password"],
        }
    )
