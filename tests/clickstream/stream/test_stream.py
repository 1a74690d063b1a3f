"""The stream end to end: generator to Kafka to Spark to PostgreSQL and Redis, against independent figures."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import redis
from confluent_kafka import Producer

import independent
from builders import encoded, event, rfc3339
from clickstream.contract import EVENT_TYPES
from clickstream.generator import GeneratorOptions, generate
from clickstream.settings import Settings
from waiting import wait_until

from .conftest import Stream

STOPPED = (0, 143)  # a JVM that is asked by SIGTERM says 143 however cleanly it ends


def produce(platform: Settings, values: list[tuple[bytes, bytes]]) -> None:
    producer = Producer({"bootstrap.servers": platform.kafka_bootstrap, "partitioner": "murmur2_random"})
    for key, value in values:
        producer.produce(platform.topic, value, key)
        producer.poll(0)
    assert producer.flush(60) == 0


def applied(reader: psycopg.Connection) -> int:
    return reader.execute("select coalesce(sum(read), 0)::int from stream_slices").fetchone()[0]


@pytest.mark.timeout(420)
def test_generated_traffic_arrives_once_and_its_sessions_equal_duckdbs(
    platform: Settings, start_stream: Stream, reader: psycopg.Connection
) -> None:
    end = datetime(2026, 11, 20, 12, tzinfo=UTC)
    options = GeneratorOptions(rate=40, seed=7, users=300, duplicate_share=0.05, malformed_share=0.01)
    sent = [(r.key, r.value) for batch in generate(options, end - timedelta(minutes=15), end) for r in batch]
    produce(platform, sent)
    job = start_stream()
    wait_until(lambda: applied(reader) == len(sent), f"{len(sent)} records in the ledger", alive=job.running)

    records = independent.consume(platform.kafka_bootstrap, platform.topic, {0: 0, 1: 0})
    refused = dict(reader.execute("select (partition, kafka_offset)::text, reason from dead_letters").fetchall())
    valid = [r for r in records if f"({r.partition},{r.offset})" not in refused]
    assert {len(records), len(sent)} == {applied(reader)}
    # What was refused is what no reader of JSON would take, or what the generator spoilt on purpose.
    assert all(independent.is_object(r.value) for r in valid)
    assert 0.005 < len(refused) / len(records) < 0.02
    ids = Counter(json.loads(r.value)["event_id"].lower() for r in valid)
    assert sum(ids.values()) > len(ids)
    stored = reader.execute("select count(*), count(distinct event_id) from events").fetchone()
    assert stored == (len(ids), len(ids))
    assert reader.execute("select count(*) from event_ids").fetchone() == (len(ids),)
    assert reader.execute("select sum(events)::int from traffic_minute").fetchone() == (len(ids),)
    assert reader.execute("select sum(events)::int from sessions").fetchone() == (len(ids),)
    audit = reader.execute(
        "select partition, sum(read)::int, sum(accepted + duplicate + rejected)::int, max(next_offset)::int"
        " from stream_slices group by partition order by partition"
    ).fetchall()
    ends = Counter(r.partition for r in records)
    assert audit == [(partition, count, count, count) for partition, count in sorted(ends.items())]
    assert {kind for (kind,) in reader.execute("select distinct event_type from events")} >= set(EVENT_TYPES)
    assert independent.stored(reader) == independent.recomputed(valid)
    assert job.stop() in STOPPED


@pytest.mark.timeout(420)
def test_redis_follows_and_a_killed_driver_loses_nothing(
    platform: Settings, start_stream: Stream, reader: psycopg.Connection
) -> None:
    live = redis.Redis.from_url(platform.redis_url.get_secret_value(), decode_responses=True)
    now_ms = int(datetime.now(UTC).timestamp() * 1_000)

    def visit(number: int, user: str, page: str, kind: str = "page_view", **properties: Any) -> tuple[bytes, bytes]:
        body = event(number, user=user, kind=kind, page_url=f"https://shop.example{page}", properties=properties)
        return user.encode(), encoded(body | {"event_time": rfc3339(now_ms - 30_000 + number)})

    produce(platform, [visit(1, "ann", "/"), visit(2, "ann", "/p/1"), visit(3, "bob", "/p/1"),
                       visit(4, "bob", "/thanks", "purchase", price=19.99, quantity=2)])  # fmt: skip
    first = start_stream()
    wait_until(lambda: live.hget("live:active_users", "5m") == "2", "two active users", alive=first.running)
    assert live.hgetall("live:active_users") == {"5m": "2", "30m": "2"}
    assert live.zrange("live:pages", 0, -1, desc=True, withscores=True) == [("/p/1", 2.0), ("/", 1.0)]
    conversion = live.hgetall("live:conversion")
    assert (conversion["sessions"], conversion["conversion_rate"], conversion["revenue"]) == ("2", "0.5", "39.98")
    assert sum(json.loads(minute)["events"] for minute in live.hvals("live:series")) == 4
    assert 0 < live.ttl("live:as_of") <= 60
    live.flushall()
    wait_until(lambda: live.hget("live:active_users", "5m") == "2", "the live view after FLUSHALL", alive=first.running)

    first.kill()
    produce(platform, [visit(5, "cid", "/"), visit(1, "ann", "/")])
    second = start_stream()
    wait_until(lambda: applied(reader) == 6, "the records after the kill", alive=second.running)
    assert reader.execute("select sum(accepted)::int, sum(duplicate)::int from stream_slices").fetchone() == (5, 1)
    assert reader.execute("select epoch from stream_lease").fetchone() == (2,)
    wait_until(lambda: live.hget("live:active_users", "5m") == "3", "three active users", alive=second.running)
    assert live.get("live:epoch") == "2"
    assert second.stop() in STOPPED
