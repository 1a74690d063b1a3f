"""The driver's pulse: a thread that renews the lease and publishes the live view, every second and after each batch."""

import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime

import psutil
import psycopg
import redis
from confluent_kafka import KafkaException

from clickstream.live import Flow, Live, Performance
from clickstream.stream.topic import EndOffsets
from clickstream.stream.worker import SliceReport
from clickstream.warehouse import ledger

log = logging.getLogger(__name__)

PERIOD_SECONDS = 1.0
# One process reads the live figures, without compiling: the other cores are the stream's.
_OPTIONS = "-c statement_timeout=10s -c jit=off -c max_parallel_workers_per_gather=0"
_MAX_PENDING = 1_000  # reports; a Redis that is away for long must not fill the memory


class Pulse(threading.Thread):
    """Runs until `stop`, or until the lease is lost: then `lost` tells why and `on_lost` is called.

    PostgreSQL, Redis or Kafka being away is logged once and waited out: nothing can be committed meanwhile, and
    Redis' keys expire, so that silence is visible.
    """

    def __init__(
        self,
        dsn: str,
        redis_url: str,
        epoch: int,
        end_offsets: EndOffsets,
        applied: dict[int, int],
        on_lost: Callable[[], None],
    ) -> None:
        super().__init__(name="pulse", daemon=True)
        self._dsn, self._epoch = dsn, epoch
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=5, socket_connect_timeout=5)
        self._end_offsets = end_offsets
        self._applied = applied
        self._on_lost = on_lost
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._pending: deque[SliceReport] = deque(maxlen=_MAX_PENDING)
        self._batch_ms = 0.0
        self._stage_ms: dict[str, float] = {}
        self._publish_ms = 0.0
        self._flow = Flow(time.time)
        self._connection: psycopg.Connection | None = None
        self._trouble = ""
        self._submitters = _submitters()
        self.lost: str | None = None

    def batch_done(self, reports: list[SliceReport], batch_ms: float) -> None:
        """Take a batch's reports and publish at once."""
        with self._lock:
            self._batch_ms, self._stage_ms = batch_ms, batch_stages(reports, batch_ms)
            self._applied.update({report.partition: report.next_offset for report in reports})
            self._pending.extend(reports)
        self._wake.set()

    def run(self) -> None:
        """Beat until stopped or the lease is lost."""
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._beat()
                self._say("")
            except ledger.LeaseLostError as lost:
                self._give_up(str(lost))
                return
            except (psycopg.Error, redis.RedisError, KafkaException) as trouble:
                self._disconnect()
                self._say(f"{type(trouble).__name__}: {trouble}")
            if _submitters() != self._submitters:
                self._give_up("spark-submit, or the process that started it, is gone: its driver ends too")
                return
            worked = min(time.monotonic() - began, PERIOD_SECONDS)
            self._stopping.wait(worked)  # however often batches end, at most half of a core is the live view's
            self._wake.wait(PERIOD_SECONDS - worked)
            self._wake.clear()
        self._disconnect()

    def stop(self) -> None:
        """End after the present beat."""
        self._stopping.set()
        self._wake.set()
        self.join(timeout=15)

    def _beat(self) -> None:
        connection = self._connected()
        ledger.renew(connection, self._epoch)
        with self._lock:
            shown, self._pending = self._pending, deque(maxlen=_MAX_PENDING)
            applied, batch_ms, stage_ms = dict(self._applied), self._batch_ms, self._stage_ms
        began = time.perf_counter()
        try:
            performance = self._performance(applied, batch_ms, stage_ms)
            Live(connection, self._redis, self._epoch).publish(performance, datetime.now(UTC))
        except Exception:
            with self._lock:  # not shown yet: their latency goes on counting
                self._pending = deque([*shown, *self._pending], maxlen=_MAX_PENDING)
            raise
        self._publish_ms = (time.perf_counter() - began) * 1_000
        pairs = [pair for report in shown for pair in report.kafka_ms]
        self._flow.show(pairs, sum(report.accepted for report in shown))

    def _performance(self, applied: dict[int, int], batch_ms: float, stage_ms: dict[str, float]) -> Performance:
        ends = self._end_offsets.read()
        p50, p95, p99 = self._flow.latency_ms(0.50, 0.95, 0.99)
        read, stored = self._flow.per_second()
        return Performance(
            read_per_second=read,
            stored_per_second=stored,
            lag={partition: max(end - applied.get(partition, end), 0) for partition, end in ends.items()},
            batch_ms=batch_ms,
            stage_ms={**stage_ms, "publish": self._publish_ms},
            latency_ms=(p50, p95, p99),
        )

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            name = f"{ledger.APPLICATION}:{self._epoch}"
            self._connection = psycopg.connect(
                self._dsn, autocommit=True, connect_timeout=5, application_name=name, options=_OPTIONS
            )
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("the live view waits: %s", trouble)
        elif self._trouble and not trouble:
            log.info("the live view goes on")
        self._trouble = trouble

    def _give_up(self, why: str) -> None:
        self.lost = why
        self._disconnect()
        self._on_lost()


def batch_stages(reports: list[SliceReport], batch_ms: float) -> dict[str, float]:
    """Where a batch's time went, ms by stage: those of its slowest partition, and `spark`, the rest of the batch."""
    partitions: dict[int, Counter[str]] = {}
    for report in reports:
        partitions.setdefault(report.partition, Counter()).update(report.stage_ms)
    slowest = max(partitions.values(), key=Counter.total, default=Counter())
    return {**slowest, "spark": max(batch_ms - slowest.total(), 0.0)}


def _submitters() -> tuple[int, int]:
    """spark-submit's process, whose child the driver is, and the one that started that (Airflow's task); 0: gone.

    A task that is killed cannot end its spark-submit, and Airflow may need minutes to notice.
    """
    submit = os.getppid()
    try:
        return submit, psutil.Process(submit).ppid()
    except psutil.NoSuchProcess:
        return 0, 0
