"""The live view in Redis: absolute values read from PostgreSQL, published under the lease epoch.

docs/live-metrics.md lists the keys. Redis can be flushed at any moment: the next second writes all of it again.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import redis
from numpy.typing import NDArray
from psycopg.rows import DictRow, dict_row

from clickstream.counts import LOAD_BUCKET_BASE
from clickstream.settings import settings
from clickstream.warehouse.frames import statement
from clickstream.warehouse.ledger import LeaseLostError

EXPIRY_SECONDS = 60
_QUERIES = ("sessions", "pages", "series", "page_loads", "anomalies")  # files of sql/live

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
    """What only the driver knows: the pipeline's own rates, waiting records and times."""

    read_per_second: float
    stored_per_second: float
    lag: dict[int, int]  # partition → records that wait in Kafka
    batch_ms: float
    stage_ms: dict[str, float]
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
        keys = _keys(self._read(now), performance, now)
        newer = self._script(args=[self._epoch, EXPIRY_SECONDS, json.dumps(keys)])
        if newer:
            raise LeaseLostError(f"epoch {self._epoch} may not publish: epoch {newer} does")

    def _read(self, now: datetime) -> dict[str, list[DictRow]]:
        """The rows of each query: of one state of the database, in one round trip."""
        values = {"now": now, "gap": timedelta(seconds=settings().session_gap_seconds)}
        cursors = {name: self._connection.cursor(row_factory=dict_row) for name in _QUERIES}
        with self._connection.pipeline(), self._connection.transaction():
            self._connection.execute("set transaction isolation level repeatable read, read only")
            for name, cursor in cursors.items():
                cursor.execute(statement(f"live/{name}.sql"), values)
        return {name: cursor.fetchall() for name, cursor in cursors.items()}


def _keys(rows: dict[str, list[DictRow]], performance: Performance, now: datetime) -> dict[str, dict[str, Any]]:
    """Every key with its type and value, from the rows of _QUERIES."""
    visits, traffic = rows["sessions"][0], rows["series"]
    pages = {row["page_path"]: row["views"] for row in rows["pages"] if row["page_path"] is not None}
    groups = {row["page_group"]: row["views"] for row in rows["pages"] if row["page_path"] is None}
    revenue = float(sum(row["revenue"] for row in traffic))
    stages = {stage: round(ms, 1) for stage, ms in performance.stage_ms.items()}
    return {
        "live:active_users": _pairs("hash", {"5m": visits["users_5m"], "30m": visits["users_30m"]}),
        "live:pages": _pairs("zset", pages),
        "live:page_groups": _pairs("zset", groups),
        "live:conversion": _pairs("hash", {**_funnel(visits), "revenue": revenue}),
        "live:performance": _pairs("hash", _performance(performance, load_percentile(rows["page_loads"], 0.75))),
        "live:lag": _pairs("hash", performance.lag),
        "live:stages": _pairs("hash", stages),
        "live:series": _pairs("hash", _series(visits["line"], traffic)),
        "live:anomalies": {"type": "string", "value": json.dumps(rows["anomalies"])},
        "live:as_of": {"type": "string", "value": now.astimezone(UTC).isoformat(timespec="milliseconds")},
    }


def _funnel(visits: DictRow) -> dict[str, float]:
    """How many sessions reached each step, each step's share of the one before, and the share that bought at all."""
    counts = {step: visits[step] for step in ("sessions", "views", "carts", "checkouts", "purchases")}
    return {
        **counts,
        "view_rate": _share(counts["views"], counts["sessions"]),
        "cart_rate": _share(counts["carts"], counts["views"]),
        "checkout_rate": _share(counts["checkouts"], counts["carts"]),
        "purchase_rate": _share(counts["purchases"], counts["checkouts"]),
        "conversion_rate": _share(visits["converted"], counts["sessions"]),
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _performance(performance: Performance, page_load_p75: float) -> dict[str, float]:
    p50, p95, p99 = performance.latency_ms
    return {
        "events_per_second": round(performance.read_per_second, 1),
        "stored_per_second": round(performance.stored_per_second, 1),
        "lag_events": sum(performance.lag.values()),
        "batch_ms": round(performance.batch_ms),
        "latency_p50_ms": round(p50),
        "latency_p95_ms": round(p95),
        "latency_p99_ms": round(p99),
        "page_load_p75_ms": round(page_load_p75),
    }


def _series(line: dict[str, dict[str, int]], traffic: Iterable[DictRow]) -> dict[str, str]:
    """A JSON object for each minute of `line`, which has them all; zeros where nothing happened."""
    nothing = {"events": 0, "page_views": 0, "purchases": 0, "revenue": 0}
    counted = {row["minute"]: {name: row[name] for name in nothing} for row in traffic}
    figures = {minute: {**counted.get(minute, nothing), **visits} for minute, visits in line.items()}
    return {minute: json.dumps(values, default=float) for minute, values in figures.items()}


def _pairs(kind: str, fields: dict[Any, Any]) -> dict[str, Any]:
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


class Flow:
    """What a publication made visible in the last minute: how much, and how long after Kafka had it."""

    def __init__(self, clock: Callable[[], float], window_seconds: float = 60) -> None:
        self._clock = clock
        self._window = window_seconds
        # when shown; latency in ms and number of records (2 × n); events stored
        self._shown: deque[tuple[float, NDArray[np.float64], int]] = deque()

    def show(self, kafka_ms: Iterable[tuple[int, int]], stored: int) -> None:
        """Count (Kafka time in Unix ms, records) pairs, of which so many events are new, as visible now."""
        now = self._clock()
        pairs = np.array(list(kafka_ms), dtype=np.float64).reshape(-1, 2)
        self._shown.append((now, np.stack([now * 1_000 - pairs[:, 0], pairs[:, 1]]), stored))
        while self._shown[0][0] < now - self._window:
            self._shown.popleft()

    def per_second(self, seconds: float = 10) -> tuple[float, float]:
        """Records read and events stored of what was shown in the last seconds, per second."""
        since = self._clock() - seconds
        recent = [(latencies[1].sum(), stored) for shown, latencies, stored in self._shown if shown >= since]
        return float(sum(read for read, _ in recent)) / seconds, sum(stored for _, stored in recent) / seconds

    def latency_ms(self, *shares: float) -> tuple[float, ...]:
        """The latency at each share of the records; zeros when nothing was shown."""
        latency, records = np.hstack([np.empty((2, 0)), *(latencies for _, latencies, _ in self._shown)])
        if not len(latency):
            return tuple(0.0 for _ in shares)
        order = np.argsort(latency)
        reached = np.cumsum(records[order])
        return tuple(float(latency[order][np.searchsorted(reached, share * reached[-1])]) for share in shares)
