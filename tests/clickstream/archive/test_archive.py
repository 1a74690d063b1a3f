"""Kafka to Delta by Spark: every record once, as it came."""

from datetime import date
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer
from pyspark.sql import SparkSession

import kafka_topic
from builders import NOON_MS, encoded, event
from clickstream.archive import job
from clickstream.archive.columns import user_key
from clickstream.archive.table import ArchiveError, append, archived_offsets, location
from clickstream.archive.upkeep import upkeep
from clickstream.backfill.compare import compare_policies
from clickstream.erasure.archive import erase_records, their_records
from clickstream.settings import Settings
from clickstream.stream.topic import topic_state

ODD = [b"{", None, encoded(event(8, user="odd") | {"event_time": "1999-12-31T23:59:59Z"}),
       encoded(event(9, user="odd") | {"event_time": "2999-01-01T00:00:00Z"})]  # fmt: skip


def produce(platform: Settings, values: list[bytes | None], source: str | None = None) -> None:
    producer = Producer({"bootstrap.servers": platform.kafka_bootstrap})
    for number, value in enumerate(values):
        headers = [("source", source.encode())] if source else None
        producer.produce(platform.topic, value, partition=number % 2, headers=headers)
    assert producer.flush(30) == 0


def rows(spark: SparkSession, platform: Settings, *columns: str) -> list[tuple[Any, ...]]:
    table = spark.read.format("delta").load(location(platform)).select(*columns)
    return sorted(map(tuple, table.collect()), key=repr)


def copies(spark: SparkSession, platform: Settings) -> None:
    """Each record of the topic once, its bytes as they came."""
    stored = rows(spark, platform, "partition", "offset", "value")
    assert len({row[:2] for row in stored}) == len(stored)
    raw = kafka_topic.records(platform.kafka_bootstrap, platform.topic)
    assert sorted((row[0], row[2] or b"") for row in stored) == sorted((r.partition, r.value) for r in raw)


def test_every_record_once_as_it_came(spark: SparkSession, platform: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "MAX_COMMIT_RECORDS", 3)
    produce(platform, [encoded(event(number, number * 60, f"u{number % 3}")) for number in range(1, 8)])
    assert job.archive(spark, platform) == {0: 4, 1: 3}
    produce(platform, [encoded(event(20, 86_400 / 2, "late"))], source="replay")
    produce(platform, ODD)
    assert job.archive(spark, platform) == {0: 7, 1: 5}
    assert job.archive(spark, platform) == {0: 7, 1: 5}
    copies(spark, platform)
    known = [row for row in rows(spark, platform, "event_date", "event_ms", "user_key", "source") if row[0]]
    expected = [
        (date(2026, 6, 1), NOON_MS + number * 60_000, user_key(f"u{number % 3}"), None) for number in range(1, 8)
    ]
    assert known == sorted([*expected, (date(2026, 6, 2), NOON_MS + 43_200_000, user_key("late"), "replay")], key=repr)


def test_a_commit_that_comes_again_adds_nothing(spark: SparkSession, platform: Settings) -> None:
    """As after a kill between the commit and whatever would have remembered it."""
    produce(platform, [encoded(event(number)) for number in range(1, 5)])
    state = topic_state(platform.kafka_bootstrap, platform.topic)
    append(spark, platform, state, 0, 0, 2)
    append(spark, platform, state, 0, 0, 2)
    assert archived_offsets(spark, location(platform), state.topic_id) == {0: 2}
    assert job.archive(spark, platform) == {0: 2, 1: 2}
    copies(spark, platform)


def test_upkeep_changes_files_only(spark: SparkSession, platform: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "MAX_COMMIT_RECORDS", 1)
    produce(platform, [encoded(event(number)) for number in range(6)])
    job.archive(spark, platform)
    assert upkeep(spark, platform) == {"compacted": 6, "into": 1, "deleted": 0}  # deleted a week later
    assert upkeep(spark, platform) == {"compacted": 0, "into": 0, "deleted": 0}
    copies(spark, platform)
    assert job.archive(spark, platform) == {0: 3, 1: 3}
    copies(spark, platform)


def test_before_anything_was_archived_there_is_nothing_to_do(spark: SparkSession, platform: Settings) -> None:
    zeros = {"compacted": 0, "into": 0, "deleted": 0}
    assert upkeep(spark, platform) == zeros
    assert upkeep(spark, platform, dry_run=True) == zeros
    assert their_records(spark, platform, "u1").count() == 0
    assert erase_records(spark, platform, "u1") == 0
    assert compare_policies(spark, platform, date(2026, 6, 1)).is_empty()
    with psycopg.connect(platform.postgres_reader.get_secret_value()) as connection:
        runs = connection.execute("select operation, dry_run, counts from clickstream.maintenance_runs order by run")
        assert runs.fetchall() == [("upkeep", False, zeros), ("upkeep", True, zeros)]


def test_a_dry_run_of_upkeep_counts_what_would_go(
    spark: SparkSession, platform: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "MAX_COMMIT_RECORDS", 1)
    produce(platform, [encoded(event(number)) for number in range(6)])
    job.archive(spark, platform)
    monkeypatch.setattr("clickstream.archive.upkeep.KEEP_HOURS", 0)
    spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    spark.sql(f"optimize delta.`{location(platform)}`")
    assert upkeep(spark, platform, dry_run=True) == {"compacted": 0, "into": 0, "deleted": 6}
    assert upkeep(spark, platform, dry_run=True)["deleted"] == 6
    copies(spark, platform)


def test_another_topic_of_the_same_name_is_refused(spark: SparkSession, platform: Settings) -> None:
    produce(platform, [encoded(event(1))])
    job.archive(spark, platform)
    with pytest.raises(ArchiveError, match="earlier topic of this name"):
        archived_offsets(spark, location(platform), "another")
