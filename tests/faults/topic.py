"""The story's topic: what was acknowledged into it, and what the broker has."""

from typing import Any

from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic

import independent
from independent import Raw
from waiting import wait_until

from .traffic import PARTITIONS, Record


class Topic:
    """A topic of two partitions, read once: `records` keeps what was read."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self.bootstrap, self.name = bootstrap, name
        self.acknowledged: list[tuple[int, int, bytes]] = []
        self._records: list[Raw] = []
        self._ends = dict.fromkeys(range(PARTITIONS), 0)

    def create(self) -> None:
        """Create it; waits until an earlier one of that name is gone."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        wait_until(lambda: self.name not in admin.list_topics(timeout=10).topics, "the topic's old name is free")
        admin.create_topics([NewTopic(self.name, num_partitions=PARTITIONS, replication_factor=1)])[self.name].result(
            30
        )
        wait_until(lambda: self.name in admin.list_topics(timeout=10).topics, "the topic")

    def delete(self) -> None:
        """Delete it."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.delete_topics([self.name])[self.name].result(30)

    def send(self, records: list[Record]) -> None:
        """Produce records into their partitions; all are acknowledged when this returns."""

        def acknowledge(error: Any, message: Message) -> None:
            assert error is None, error
            self.acknowledged.append((message.partition(), message.offset(), message.value()))

        producer = Producer({"bootstrap.servers": self.bootstrap, "acks": "all", "enable.idempotence": True})
        for record in records:
            producer.produce(self.name, record.value, record.key, record.partition, on_delivery=acknowledge)
        assert producer.flush(60) == 0

    def records(self) -> list[Raw]:
        """Every record that the broker has ever shown, now included."""
        fresh = independent.consume(self.bootstrap, self.name, self._ends)
        self._records += fresh
        for record in fresh:
            self._ends[record.partition] = record.offset + 1
        return self._records

    def ends(self) -> dict[int, int]:
        """Partition → end offset."""
        self.records()
        return dict(self._ends)

    def missing(self) -> list[tuple[int, int]]:
        """Places of acknowledged records that the broker has not, or has with another value."""
        there = {(record.partition, record.offset): record.value for record in self.records()}
        return [(partition, at) for partition, at, value in self.acknowledged if there.get((partition, at)) != value]
