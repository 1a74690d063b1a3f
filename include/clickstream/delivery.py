"""Records into Kafka: idempotent, acknowledged by all replicas, counted, and spooled when Kafka does not answer."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from clickstream.settings import Settings
from clickstream.spool import SpooledRecord, SpoolWriter, spooled
from clickstream.stopping import StopFlag, Stopped

log = logging.getLogger(__name__)

Headers = list[tuple[str, bytes]]
# Marks of history: such records are old, but not late.
BACKFILL: Headers = [("source", b"backfill")]
REPLAY: Headers = [("source", b"replay")]
_ADMIN_TIMEOUT_S = 30
_POLL_EVERY = 500  # records; deliveries are served so often
_STOP_FLUSH_S = 10  # what is not acknowledged so long after a signal is spooled


class ProducerOptions(BaseSettings):
    """How records are sent: each field is ``CLICKSTREAM_PRODUCER_<NAME>`` in the environment."""

    model_config = SettingsConfigDict(env_prefix="CLICKSTREAM_PRODUCER_", extra="ignore", frozen=True)

    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "lz4"
    linger_ms: int = Field(default=50, ge=0, le=900_000)
    batch_bytes: int = Field(default=1_000_000, ge=1_024, le=2_147_483_647)
    batch_messages: int = Field(default=10_000, ge=1, le=1_000_000)
    queue_messages: int = Field(default=100_000, ge=1, le=2_147_483_647, description="BufferError beyond this")
    delivery_timeout_ms: int = Field(default=120_000, ge=1_000)
    retry_backoff_ms: int = Field(default=100, ge=1)
    retry_backoff_max_ms: int = Field(default=1_000, ge=1)

    def config(self, connection: dict[str, Any]) -> dict[str, Any]:
        """librdkafka's configuration: the connection's entries win, but never over what delivery rests on."""
        return {
            "compression.type": self.compression,
            "linger.ms": self.linger_ms,
            "batch.size": self.batch_bytes,
            "batch.num.messages": self.batch_messages,
            "queue.buffering.max.messages": self.queue_messages,
            "delivery.timeout.ms": self.delivery_timeout_ms,
            "retry.backoff.ms": self.retry_backoff_ms,
            "retry.backoff.max.ms": self.retry_backoff_max_ms,
            **connection,
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",  # as Java clients do, so that a user has one home partition
            "delivery.report.only.error": True,  # what is neither failed nor queued is acknowledged
        }


@dataclass(frozen=True)
class ProduceReport:
    """What one run did; counts of records. ``resent`` came from the spool and is not part of ``sent``."""

    sent: int
    acknowledged: int
    spooled: int
    resent: int
    seconds: float

    def __str__(self) -> str:
        rate = self.sent / self.seconds if self.seconds else 0.0
        return (
            f"{self.sent:,} sent in {self.seconds:,.1f} s ({rate:,.0f}/s), {self.acknowledged:,} acknowledged, "
            f"{self.spooled:,} spooled, {self.resent:,} sent first from the spool"
        )


class DeliveryIncomplete(Exception):
    """Kafka did not acknowledge everything in time; the rest lies in the spool and is sent by the next run."""

    def __init__(self, report: ProduceReport, path: Path | None, detail: str) -> None:
        super().__init__(f"{report}. Last error: {detail}. Spooled in {path}; the next run sends it first")
        self.report, self.path = report, path


class KafkaUnavailable(Exception):
    """No broker answered."""


class Sender:
    """One producer and its counts. Use as a context; `flush` says when all is settled."""

    def __init__(self, connection: dict[str, Any], topic: str, spool: Path, options: ProducerOptions) -> None:
        self.topic, self.resent, self.sent = topic, 0, 0
        self.spool = SpoolWriter(spool / topic)
        self.detail = ""
        self._started = time.monotonic()
        self._producer = Producer(options.config(connection), logger=log)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing leaves memory unseen: what is still queued, after an error say, goes to the spool."""
        self._producer.purge()
        self._producer.flush(_STOP_FLUSH_S)
        self.spool.close()

    def send(self, records: Iterable[tuple[bytes | None, bytes | None]], headers: Headers | None = None) -> None:
        """Queue (key, value) pairs with the same headers; waits while the queue is full."""
        self.sent += self._queue(records, headers)

    def _queue(self, records: Iterable[tuple[bytes | None, bytes | None]], headers: Headers | None) -> int:
        produce, topic, failed, count = self._producer.produce, self.topic, self._failed(headers), 0
        extra: dict[str, Any] = {"on_delivery": failed, **({"headers": headers} if headers else {})}
        for count, (key, value) in enumerate(records, 1):
            try:
                produce(topic, value, key, **extra)
            except BufferError:
                self._produce_when_possible(key, value, headers, extra)
            except KafkaException as error:
                self._keep(SpooledRecord(key, value, headers or []), error.args[0])
            if count % _POLL_EVERY == 0:
                self._producer.poll(0)
        self._producer.poll(0)
        return count

    def send_spool(self, stop: StopFlag) -> None:
        """Send what earlier runs left. A file goes once its records are acknowledged (or spooled anew)."""
        for path in sorted(self.spool.directory.glob("*.spool")):
            if stop or path == self.spool.path:
                continue
            with spooled(path) as records:
                if records is None:
                    continue
                for record in records:
                    self.resent += self._queue([(record.key, record.value)], record.headers)
                self.flush(stop)
                log.info("sent %d records of %s from the spool", self.resent, path)

    def flush(self, stop: StopFlag) -> None:
        """Wait until every record is acknowledged or spooled: the delivery timeout, or seconds after a signal."""
        stopped_at = None
        while self._producer.flush(0.2):
            if stop:
                stopped_at = stopped_at or time.monotonic()
                if time.monotonic() - stopped_at > _STOP_FLUSH_S:
                    self._producer.purge()
        self.spool.sync()

    def wait(self, seconds: float) -> None:
        """Let time pass, serving deliveries."""
        self._producer.poll(max(seconds, 0))

    def report(self, queued: int | None = None) -> ProduceReport:
        """Counts as of now. The producer's own length counts log lines too: say how many records are ``queued`` (none
        after `flush`) to have them exact."""
        unsettled = self.spool.records + (len(self._producer) if queued is None else queued)
        acknowledged = max(self.sent + self.resent - unsettled, 0)
        return ProduceReport(self.sent, acknowledged, self.spool.records, self.resent, time.monotonic() - self._started)

    def settle(self, stop: StopFlag) -> ProduceReport:
        """Flush; the final counts. Raises DeliveryIncomplete, or Stopped after a signal."""
        self.flush(stop)
        report = self.report(queued=0)
        if self.spool.records:
            raise DeliveryIncomplete(report, self.spool.path, self.detail)
        if stop:
            raise Stopped(stop.signum, f"stopped by a signal: {report}")
        return report

    def _produce_when_possible(
        self, key: bytes | None, value: bytes | None, headers: Headers | None, extra: dict[str, Any]
    ) -> None:
        """Back-pressure: a full queue empties by acknowledgement or, at the latest, by the delivery timeout."""
        while True:
            self._producer.poll(0.05)
            try:
                self._producer.produce(self.topic, value, key, **extra)
            except BufferError:
                continue
            except KafkaException as error:
                self._keep(SpooledRecord(key, value, headers or []), error.args[0])
            return

    def _failed(self, headers: Headers | None) -> Callable[[KafkaError | None, Message], None]:
        """A delivery report carries no headers: they are bound here."""

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._keep(SpooledRecord(message.key(), message.value(), headers or []), error)

        return on_delivery

    def _keep(self, record: SpooledRecord, error: KafkaError) -> None:
        if not self.spool.records:
            log.error("a record was not acknowledged and goes to the spool: %s", error.str())
        self.detail = error.str()
        self.spool.add(record)


def ensure_topic(connection: dict[str, Any], platform: Settings) -> None:
    """Create the topic with the configured partitions, replication and retention unless it is there.

    Raises KafkaUnavailable when no broker answers; an existing topic stays as it is.
    """
    retention_ms = platform.topic_retention_hours * 3_600_000
    topic = NewTopic(
        platform.topic,
        num_partitions=platform.topic_partitions,
        replication_factor=platform.topic_replication,
        config={"retention.ms": str(retention_ms)},
    )
    admin = AdminClient(connection, logger=log)
    try:
        admin.create_topics([topic], request_timeout=_ADMIN_TIMEOUT_S)[platform.topic].result(_ADMIN_TIMEOUT_S + 5)
        log.info("created topic %s with %d partitions", platform.topic, platform.topic_partitions)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return
        where = connection.get("bootstrap.servers", "(no bootstrap.servers)")
        raise KafkaUnavailable(
            f"cannot create topic {platform.topic} on {where}: {error.args[0].str()}. Is Kafka up there?"
        ) from error
