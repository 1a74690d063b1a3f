"""The batch DAGs by Airflow itself: operator, connection, templates, the real Spark jobs."""

import json
import os
import sysconfig
from datetime import date
from pathlib import Path

import psycopg
import pytest

from builders import encoded, event
from clickstream.archive.table import location
from clickstream.settings import Settings
from stream_shop import Shop

from .test_dags import airflow


@pytest.mark.timeout(600)
def test_a_run_of_archive_and_one_of_backfill(
    airflow_environment: dict[str, str], platform: Settings, spark_environment: dict[str, str]
) -> None:
    shop = Shop(platform)
    shop.produce([encoded(event(number)) for number in range(10)])
    shop.stream()
    shop.writer.close()
    spark = json.dumps({"conn_type": "spark", "host": "local[1]", "extra": {"deploy-mode": "client"}})
    environment = {
        **airflow_environment,
        **{name: value for name, value in os.environ.items() if name.startswith("CLICKSTREAM_")},
        **spark_environment,
        "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
        "AIRFLOW_CONN_CLICKSTREAM_SPARK": spark,
        "AIRFLOW_CONN_CLICKSTREAM_SPARK_ARCHIVE": spark,
    }
    airflow(environment, "dags", "test", "clickstream_archive")
    commits = Path(location(platform)) / "_delta_log"
    assert len(list(commits.glob("*.json"))) == 2, "one commit a partition"
    airflow(environment, "dags", "test", "clickstream_backfill", "2026-06-02")  # by hand: the day that was over
    with psycopg.connect(platform.postgres_reader.get_secret_value()) as connection:
        runs = connection.execute(
            "select day, swapped_at is not null, events,"
            " (select sum(n::int) from jsonb_each_text(differences) as d (t, n)) from clickstream.backfill_runs"
        ).fetchall()
    assert runs == [(date(2026, 6, 1), True, 10, 0)]
    airflow(environment, "dags", "test", "clickstream_backfill", "2026-06-09", "--conf", '{"day": "2026-06-01"}')
    environment["CLICKSTREAM_RETENTION_DAYS"] = "30"
    airflow(environment, "dags", "test", "clickstream_maintenance")
    with psycopg.connect(platform.postgres_reader.get_secret_value()) as connection:
        days = connection.execute("select day, events from clickstream.backfill_runs order by run").fetchall()
        done = connection.execute("select operation, counts from clickstream.maintenance_runs order by operation")
        assert done.fetchall() == [
            ("prune", {"check_results": 0, "event_ids": 10, "old_events": 0, "partitions": 1}),
            ("upkeep", {"compacted": 2, "into": 1, "deleted": 0}),
        ]
    assert days == [(date(2026, 6, 1), 10)] * 2  # the second named the day
