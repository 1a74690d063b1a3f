"""The driver's pulse: a thread that renews the lease and publishes the live view, every second and after each batch."""

import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import psutil
import psycopg
import redis
from confluent_kafka import KafkaException

from clickstream.live import Latencies, Live, Performance
from clickstream.stream.topic import EndOffsets
from clickstream.stream.worker import SliceReport
from clickstream.warehouse import ledger

log = logging.getLogger(__name__)

PERIOD_SECONDS = 1.0


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
        self._pending: list[tuple[int, int]] = []
        self._batch_ms = 0.0
        self._latencies = Latencies(time.time)
        self._connection: psycopg.Connection | None = None
        self._trouble = ""
        self._submitters = _submitters()
        self.lost: str | None = None

    def batch_done(self, reports: list[SliceReport], batch_ms: float) -> None:
        """Take a batch's reports and publish at once."""
        with self._lock:
            self._batch_ms = batch_ms
            for report in reports:
                self._applied[report.partition] = report.next_offset
                self._pending.extend(report.kafka_ms)
        self._wake.set()

    def run(self) -> None:
        """Beat until stopped or the lease is lost."""
        while not self._stopping.is_set():
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
            self._wake.wait(PERIOD_SECONDS)
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
            shown, self._pending = self._pending, []
            batch_ms, applied = self._batch_ms, dict(self._applied)
        try:
            Live(connection, self._redis, self._epoch).publish(self._performance(batch_ms, applied), datetime.now(UTC))
        except Exception:
            with self._lock:  # not shown yet: their latency goes on counting
                self._pending = shown + self._pending
            raise
        self._latencies.show(shown)

    def _performance(self, batch_ms: float, applied: dict[int, int]) -> Performance:
        lag = sum(end - applied.get(partition, end) for partition, end in self._end_offsets.read().items())
        p50, p95, p99 = self._latencies.percentiles(0.50, 0.95, 0.99)
        return Performance(self._latencies.events_per_second(), max(lag, 0), batch_ms, (p50, p95, p99))

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            name = f"{ledger.APPLICATION}:{self._epoch}"
            self._connection = psycopg.connect(
                self._dsn, autocommit=True, connect_timeout=5, application_name=name, options="-c statement_timeout=10s"
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


def _submitters() -> tuple[int, int]:
    """spark-submit's process, whose child the driver is, and the one that started that (Airflow's task); 0: gone.

    A task that is killed cannot end its spark-submit, and Airflow may need minutes to notice.
    """
    submit = os.getppid()
    try:
        return submit, psutil.Process(submit).ppid()
    except psutil.NoSuchProcess:
        return 0, 0
