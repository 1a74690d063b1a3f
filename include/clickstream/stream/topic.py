"""What the broker says of the topic: its identity and where its partitions begin and end."""

from confluent_kafka import Consumer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from clickstream.warehouse.ledger import TopicState

_TIMEOUT = 30.0


def topic_state(bootstrap: str, topic: str) -> TopicState:
    """Ask the broker. Raises confluent_kafka.KafkaException when it cannot be reached or the topic is not there."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    described = admin.describe_topics(TopicCollection([topic]), request_timeout=_TIMEOUT)[topic].result(_TIMEOUT)
    places = [TopicPartition(topic, partition.id) for partition in described.partitions]
    return TopicState(
        topic=topic,
        topic_id=str(described.topic_id),
        beginning=_offsets(admin, places, OffsetSpec.earliest()),  # type: ignore[no-untyped-call]
        end=_offsets(admin, places, OffsetSpec.latest()),  # type: ignore[no-untyped-call]
    )


def _offsets(admin: AdminClient, places: list[TopicPartition], spec: OffsetSpec) -> dict[int, int]:
    asked = admin.list_offsets(dict.fromkeys(places, spec), request_timeout=_TIMEOUT)
    return {place.partition: future.result(_TIMEOUT).offset for place, future in asked.items()}


class EndOffsets:
    """The end offsets of a topic, asked again and again over one connection."""

    def __init__(self, bootstrap: str, topic: str, partitions: list[int]) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": "clickstream-lag", "enable.auto.commit": False}
        )
        self._places = [TopicPartition(topic, partition) for partition in partitions]

    def read(self, timeout: float = 2.0) -> dict[int, int]:
        """Partition → end offset. Raises KafkaException when the broker does not answer."""
        return {
            place.partition: self._consumer.get_watermark_offsets(place, timeout=timeout)[1] for place in self._places
        }

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()
