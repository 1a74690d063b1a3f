"""Kafka: does it answer, do the addresses that it advertises, and is the topic as it should be?"""

import socket
import time
from dataclasses import dataclass, field

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from clickstream.doctor.finding import Finding
from clickstream.settings import Settings
from clickstream.stream.topic import topic_state
from clickstream.warehouse.ledger import TopicState

_ANSWER_SECONDS = 5.0
_CONNECT_SECONDS = 2.0


@dataclass(frozen=True)
class Broker:
    """What metadata, sockets and the topic say. `silent`: advertised address → why it does not answer.

    `topic` is None when there is none of that name or when not every broker answers; `newest_ahead`: by how many
    seconds the topic's newest record is ahead of our clock (negative: its age), None without records.
    """

    silent: dict[str, str]
    partitions: int
    topic: TopicState | None = None
    newest_ahead: float | None = None
    leaderless: list[int] = field(default_factory=list)


def read(settings: Settings) -> Broker:
    """Ask the brokers. Raises KafkaException when none answers."""
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0})
    cluster = admin.list_topics(timeout=_ANSWER_SECONDS)
    silent = {
        f"{broker.host}:{broker.port}": why
        for broker in cluster.brokers.values()
        if (why := _refuses(str(broker.host), int(broker.port)))
    }
    found = cluster.topics.get(settings.topic)
    if found is None or silent:
        return Broker(silent, len(found.partitions) if found else 0)
    leaderless = sorted(number for number, partition in found.partitions.items() if partition.leader < 0)
    if leaderless:
        return Broker(silent, len(found.partitions), leaderless=leaderless)
    state = topic_state(settings.kafka_bootstrap, settings.topic)
    return Broker(silent, len(found.partitions), state, _newest_ahead(admin, state))


def judge(broker: Broker, settings: Settings) -> list[Finding]:
    """Addresses and the topic."""
    if broker.silent:
        addresses = ", ".join(f"{address} ({why})" for address, why in broker.silent.items())
        return [
            Finding(
                "kafka",
                f"{settings.kafka_bootstrap} answers, but advertises an address that does not: {addresses}",
                "set the broker's advertised.listeners to an address that clients reach (KAFKA_ADVERTISED_LISTENERS in"
                " docker-compose.yaml) and restart it",
            )
        ]
    return [Finding("kafka", f"{settings.kafka_bootstrap} and what it advertises answer"), _topic(broker, settings)]


def _topic(broker: Broker, settings: Settings) -> Finding:
    part, wanted = f"topic {settings.topic}", settings.topic_partitions
    if broker.leaderless:
        numbers = ", ".join(map(str, broker.leaderless))
        return Finding(part, f"no leader for partition {numbers}", "start the brokers that are down: make status")
    if broker.topic is None:
        return Finding(
            part, "is missing", "run the DAG clickstream_generate, which makes it; or mend CLICKSTREAM_TOPIC"
        )
    if broker.partitions != wanted:
        return Finding(
            part,
            f"has {broker.partitions} partitions, CLICKSTREAM_TOPIC_PARTITIONS says {wanted}",
            f"set CLICKSTREAM_TOPIC_PARTITIONS={broker.partitions} in .env: a topic that has records keeps its number",
        )
    records = sum(broker.topic.end[number] - first for number, first in broker.topic.beginning.items())
    return Finding(part, f"{broker.partitions} partitions, {records:,} records kept")


def _refuses(host: str, port: int) -> str:
    """Why a connection fails; empty when it does not."""
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _newest_ahead(admin: AdminClient, state: TopicState) -> float | None:
    places = [TopicPartition(state.topic, number) for number, end in state.end.items() if end > state.beginning[number]]
    if not places:
        return None
    spec = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
    asked = admin.list_offsets(dict.fromkeys(places, spec), request_timeout=_ANSWER_SECONDS)
    newest = max(future.result(_ANSWER_SECONDS).timestamp for future in asked.values())
    return float(newest) / 1_000 - time.time()
