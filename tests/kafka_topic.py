"""What lies in a topic, for tests that produce into it."""

import time
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

_SECONDS = 60


class Stored(NamedTuple):
    """A record as a consumer finds it; an empty value stays empty."""

    partition: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]] | None


def count(bootstrap: str, topic: str, partitions: int = 2) -> int:
    """How many records a topic has."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.auto.commit": False})
    try:
        return sum(_end(consumer, topic, partition) for partition in range(partitions))
    finally:
        consumer.close()


def records(bootstrap: str, topic: str, partitions: int = 2) -> list[Stored]:
    """Every record of a topic."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.auto.commit": False})
    total = sum(_end(consumer, topic, partition) for partition in range(partitions))
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    found: list[Stored] = []
    deadline = time.monotonic() + _SECONDS
    while len(found) < total and time.monotonic() < deadline:
        for message in consumer.consume(5_000, timeout=1):
            assert message.error() is None
            found.append(Stored(message.partition(), message.key(), message.value() or b"", message.headers()))
    consumer.close()
    assert len(found) == total
    return found


def _end(consumer: Consumer, topic: str, partition: int) -> int:
    """The end offset; a topic that was made a moment ago may have no leader yet."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
