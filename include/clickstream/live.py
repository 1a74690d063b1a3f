"""The live view in Redis: absolute values read from PostgreSQL, published under the lease epoch.

docs/live-metrics.md lists the keys. Redis can be flushed at any moment: the next second writes all of it again.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import redis
from psycopg.rows import DictRow, dict_row

from clickstream.counts import LOAD_BUCKET_BASE
from clickstream.warehouse.frames import statement
from clickstream.warehouse.ledger import LeaseLostError

EXPIRY_SECONDS = 60

# One script, so that a reader never sees half and an old driver, whose epoch is lower, writes nothing.
# ARGV: epoch, expiry, JSON of {key: {type, value}}.
_PUBLISH = """
local held = tonumber(redis.call('get', 'live:epoch') or '0')
if held > tonumber(ARGV[1]) then return held end
redis.call('set', 'live:epoch', ARGV[1])
for key, entry in pairs(cjson.decode(ARGV[3])) do
  redis.call('del', key)
  if entry.type == 'string' then
    redis.call('set', key, entry.value)
  else
    for i = 1, #entry.value, 2 do
      if entry.type == 'hash' then redis.call('hset', key, entry.value[i], entry.value[i + 1])
      else redis.call('zadd', key, entry.value[i + 1], entry.value[i]) end
    end
  end
  redis.call('expire', key, ARGV[2])
end
return 0
"""


@dataclass(frozen=True)
class Performance:
    """What only the driver knows: rates and times of the pipeline itself."""

    events_per_second: float
    lag_events: int
    batch_ms: float
    latency_ms: tuple[float, float, float]  # p50, p95, p99 from Kafka time to visible in Redis


class Live:
    """Reads the live figures from PostgreSQL and writes them to Redis."""

    def __init__(self, connection: psycopg.Connection, client: redis.Redis, epoch: int) -> None:
        self._connection = connection
        self._client = client
        self._epoch = epoch
        self._script = client.register_script(_PUBLISH)

    def publish(self, performance: Performance, now: datetime) -> None:
        """Write every key anew. Raises LeaseLostError when a newer epoch has written, and the clients' errors."""
        keys = self._figures(performance, now)
        newer = self._script(args=[self._epoch, EXPIRY_SECONDS, json.dumps(keys)])
        if newer:
            raise LeaseLostError(f"epoch {self._epoch} may not publish: epoch {newer} does")

    def _figures(self, performance: Performance, now: datetime) -> dict[str, dict[str, Any]]:
        active = self._rows("active_users", now)[0]
        conversion = self._rows("conversion", now)[0]
        series = {row.pop("minute"): json.dumps(row) for row in self._rows("series", now)}
        p50, p95, p99 = performance.latency_ms
        figures = {
            "events_per_second": round(performance.events_per_second, 1),
            "lag_events": performance.lag_events,
            "batch_ms": round(performance.batch_ms),
            "latency_p50_ms": round(p50),
            "latency_p95_ms": round(p95),
            "latency_p99_ms": round(p99),
            "page_load_p75_ms": round(load_percentile(self._rows("page_loads", now), 0.75)),
        }
        return {
            "live:active_users": _pairs("hash", {"5m": active["users_5m"], "30m": active["users_30m"]}),
            "live:pages": _pairs("zset", {row["page_path"]: row["views"] for row in self._rows("pages", now)}),
            "live:conversion": _pairs("hash", conversion),
            "live:performance": _pairs("hash", figures),
            "live:series": _pairs("hash", series),
            "live:anomalies": {"type": "string", "value": json.dumps(self._rows("anomalies", now))},
            "live:as_of": {"type": "string", "value": now.astimezone(UTC).isoformat(timespec="milliseconds")},
        }

    def _rows(self, name: str, now: datetime) -> list[DictRow]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement(f"live/{name}.sql"), {"now": now}).fetchall()


def _pairs(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """A hash or sorted set as the script takes it: one flat list of names and values, as text (Lua rounds)."""
    return {"type": kind, "value": [str(item) for pair in fields.items() for item in pair]}


def load_percentile(histogram: Iterable[DictRow], share: float) -> float:
    """The page-load time in ms below which `share` of the loads lie, from rows bucket, loads in bucket order."""
    rows = list(histogram)
    wanted = share * sum(row["loads"] for row in rows)
    seen = 0
    for row in rows:
        seen += row["loads"]
        if seen >= wanted:
            return float(LOAD_BUCKET_BASE ** (row["bucket"] + 0.5))
    return 0.0


class Latencies:
    """Times from Kafka to visible, of the last minute: batches wait until a publication has shown them."""

    def __init__(self, clock: Callable[[], float], window_seconds: float = 60) -> None:
        self._clock = clock
        self._window = window_seconds
        self._shown: deque[tuple[float, float, int]] = deque()  # when shown, latency ms, events

    def show(self, kafka_ms: Iterable[tuple[int, int]]) -> None:
        """Count (Kafka time in Unix ms, events) pairs as visible now."""
        now = self._clock()
        self._shown.extend((now, now * 1_000 - at, events) for at, events in kafka_ms)
        while self._shown and self._shown[0][0] < now - self._window:
            self._shown.popleft()

    def events_per_second(self, seconds: float = 10) -> float:
        """Events made visible in the last seconds, per second."""
        since = self._clock() - seconds
        return sum(events for shown, _, events in self._shown if shown >= since) / seconds

    def percentiles(self, *shares: float) -> tuple[float, ...]:
        """Latency in ms at each share of the events; zeros when nothing was shown."""
        ordered = sorted((latency, events) for _, latency, events in self._shown)
        total = sum(events for _, events in ordered)
        return tuple(_weighted(ordered, share * total) for share in shares)


def _weighted(ordered: list[tuple[float, int]], wanted: float) -> float:
    seen = 0
    for latency, events in ordered:
        seen += events
        if seen >= wanted:
            return latency
    return 0.0
