"""A replay as the DAG runs it, against a real PostgreSQL and Kafka."""

import json

import psycopg

from builders import encoded, event, event_id
from clickstream.dead_letters.letters import Filter
from clickstream.dead_letters.run import replay_letters
from clickstream.settings import Settings
from kafka_topic import records
from letters import letter, marks, store

PENDING = Filter(pending=True)


def test_a_dry_run_counts_and_the_next_sends(platform: Settings) -> None:
    dsn = platform.postgres_writer.get_secret_value()
    future = [letter(encoded(event(number)), number, reason="future") for number in (1, 2)]
    store(dsn, *future, letter(encoded({**event(3), "user_id": 7}), 3), letter(b"{", 4))
    expected = {"sent": 2, "refused: contract": 1, "refused: not_json": 1}
    assert replay_letters(platform, PENDING, dry_run=True) == expected
    assert records(platform.kafka_bootstrap, platform.topic) == []
    assert marks(dsn) == dict.fromkeys([1, 2, 3, 4])
    assert replay_letters(platform, Filter(["future"], pending=True), dry_run=False) == {"sent": 2}
    found = records(platform.kafka_bootstrap, platform.topic)
    assert {json.loads(record.value)["event_id"] for record in found} == {event_id(1), event_id(2)}
    assert marks(dsn) == {1: event_id(1), 2: event_id(2), 3: None, 4: None}
    assert replay_letters(platform, PENDING, dry_run=False) == {**expected, "sent": 0}
    with psycopg.connect(dsn) as connection:
        runs = connection.execute("select operation, dry_run, counts from clickstream.maintenance_runs order by run")
        assert runs.fetchall() == [
            ("replay", True, expected),
            ("replay", False, {"sent": 2}),
            ("replay", False, {**expected, "sent": 0}),
        ]


def test_what_retention_took_away_is_not_sent_back(platform: Settings) -> None:
    """The stream would only refuse it again."""
    dsn = platform.postgres_writer.get_secret_value()
    store(dsn, letter(encoded(event(1)), 1, reason="too_old"), letter(encoded(event(2, 86_400)), 2, reason="too_old"))
    with psycopg.connect(dsn) as connection:
        connection.execute("insert into clickstream.retention (horizon) values ('2026-06-02')")
    assert replay_letters(platform, PENDING, dry_run=True) == {"sent": 1, "refused: too_old": 1}
