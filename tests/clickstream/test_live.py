"""The live view's own arithmetic; the stream's tests see it in Redis."""

import pytest
import redis

from clickstream.counts import LOAD_BUCKET_BASE
from clickstream.live import Latencies, load_percentile


def test_latency_percentiles_weigh_events_and_forget_after_a_minute() -> None:
    now = 1_000.0
    latencies = Latencies(lambda: now)
    latencies.show([(999_000, 98), (990_000, 2)])
    assert latencies.percentiles(0.5, 0.95, 0.99) == (1_000, 1_000, 10_000)
    assert latencies.events_per_second() == 10.0
    now = 1_059.0
    latencies.show([(1_058_500, 1)])
    assert latencies.percentiles(0.5) == (1_000,)
    assert latencies.events_per_second() == 0.1
    now = 1_061.0
    latencies.show([])
    assert latencies.percentiles(0.5) == (500,)


def test_no_latency_is_zero() -> None:
    assert Latencies(lambda: 0.0).percentiles(0.5, 0.99) == (0.0, 0.0)


def test_load_percentile_is_within_a_bucket_of_the_true_one() -> None:
    histogram = [{"bucket": 100, "loads": 3}, {"bucket": 120, "loads": 1}]
    assert load_percentile(histogram, 0.75) == pytest.approx(LOAD_BUCKET_BASE**100.5)
    assert load_percentile(histogram, 0.76) == pytest.approx(LOAD_BUCKET_BASE**120.5)
    assert load_percentile([], 0.75) == 0.0


def test_an_older_epoch_writes_nothing(redis_url: str) -> None:
    from clickstream.live import _PUBLISH

    client = redis.Redis.from_url(redis_url, decode_responses=True)
    publish = client.register_script(_PUBLISH)
    entry = '{"live:as_of": {"type": "string", "value": "%s"}}'
    assert publish(args=[2, 60, entry % "new"]) == 0
    assert publish(args=[1, 60, entry % "old"]) == 2
    assert client.get("live:as_of") == "new"
    assert publish(args=[3, 60, entry % "newer"]) == 0
    assert client.get("live:as_of") == "newer"
