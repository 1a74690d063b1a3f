"""The driver's thread that judges minutes once they are closed. It never holds up the pulse nor ends the stream."""

import logging
import threading
from datetime import UTC, datetime

import psycopg
from confluent_kafka import KafkaException

from clickstream.anomalies.scoring import advance, last_closed
from clickstream.stream.topic import EndOffsets
from clickstream.warehouse import ledger

log = logging.getLogger(__name__)

PERIOD_SECONDS = 5.0


class Scorer(threading.Thread):
    """Runs until `stop`, or until the lease is lost (the pulse ends the driver then).

    While PostgreSQL or Kafka is away it waits; minutes of that time in which nothing came are not taken for an
    outage of the shop. ``end_offsets`` is closed at the end.
    """

    def __init__(self, dsn: str, epoch: int, topic: str, end_offsets: EndOffsets) -> None:
        super().__init__(name="scorer", daemon=True)
        self._dsn, self._epoch, self._topic = dsn, epoch, topic
        self._end_offsets = end_offsets
        self._stopping = threading.Event()
        self._connection: psycopg.Connection | None = None
        self._watched_since: datetime | None = None
        self._trouble = ""

    def run(self) -> None:
        """Judge until stopped or the lease is lost."""
        while not self._stopping.is_set():
            try:
                self._judge()
                self._say("")
            except ledger.LeaseLostError:
                break
            except (psycopg.Error, KafkaException) as trouble:
                self._disconnect()
                self._watched_since = None
                self._say(f"{type(trouble).__name__}: {trouble}")
            self._stopping.wait(PERIOD_SECONDS)
        self._disconnect()
        self._end_offsets.close()

    def stop(self) -> None:
        """End after the present chunk; one that takes too long is rolled back when the driver ends."""
        self._stopping.set()
        self.join(timeout=15)

    def _judge(self) -> None:
        connection, now = self._connected(), datetime.now(UTC)
        until = last_closed(connection, self._topic, self._end_offsets.read(), now)
        self._watched_since = self._watched_since or now
        while until is not None and not self._stopping.is_set():
            if not advance(connection, self._epoch, until, self._watched_since):
                return

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            name = f"{ledger.APPLICATION}:{self._epoch}"
            self._connection = psycopg.connect(
                self._dsn,
                autocommit=True,
                connect_timeout=5,
                application_name=name,
                options="-c statement_timeout=60s -c jit=off -c timezone=UTC",
            )
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("the search for anomalies waits: %s", trouble)
        elif self._trouble and not trouble:
            log.info("the search for anomalies goes on")
        self._trouble = trouble
