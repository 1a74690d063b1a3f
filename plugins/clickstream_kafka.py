"""The Kafka connection for a producer of our own. Airflow has this folder on every component's path."""

from typing import Any

from airflow.providers.apache.kafka.hooks.produce import KafkaProducerHook


class KafkaConfigHook(KafkaProducerHook):
    """The provider's producer hook whose `get_conn` is the connection's confluent configuration."""

    def _get_client(self, config: dict[str, Any]) -> dict[str, Any]:
        return config
