"""The three servers of this checkout, from its settings and secrets."""

from collections.abc import Mapping
from dataclasses import dataclass

from local.kafka import Kafka
from local.layout import Layout
from local.postgres import Postgres
from local.redis import Redis


@dataclass(frozen=True)
class Servers:
    """PostgreSQL, Redis and Kafka."""

    postgres: Postgres
    redis: Redis
    kafka: Kafka

    @staticmethod
    def of(layout: Layout, secrets: Mapping[str, str]) -> "Servers":
        """As `.env` and the secrets say."""
        state, ports = layout.state, layout.ports
        buffers = layout.own("CLICKSTREAM_POSTGRES_SHARED_BUFFERS")
        heap_mb = int(layout.own("CLICKSTREAM_KAFKA_HEAP_MB"))
        return Servers(
            Postgres(state / "postgres" / "data", ports["POSTGRES"], secrets["postgres_admin"], buffers),
            Redis(state / "redis", ports["REDIS"], secrets["redis"]),
            Kafka(state / "kafka", layout.kafka_jars, ports["KAFKA"], ports["KAFKA_CONTROLLER"], heap_mb),
        )
