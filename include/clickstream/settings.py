"""Every address and limit of the platform, read from the environment (prefix ``CLICKSTREAM_``).

Nothing here knows whether it runs on one machine or on many: ``make up`` and ``docker-compose.yaml``
only set other values. Secrets are ``SecretStr``, so that a printed settings object shows none.
"""

from functools import cache
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def _home() -> Path:
    """The directory that the process is in where that is a checkout, else the checkout that the package lies in."""
    own = Path(__file__).resolve().parents[2]
    return Path() if Path("sql", "schema").is_dir() or not (own / "sql" / "schema").is_dir() else own


class Settings(BaseSettings):
    """Addresses, topic and rules. Each field is ``CLICKSTREAM_<NAME>`` in the environment."""

    model_config = SettingsConfigDict(env_prefix="CLICKSTREAM_", env_ignore_empty=True, extra="ignore")

    kafka_bootstrap: str = "127.0.0.1:9092"
    topic: str = "clickstream.events"
    topic_partitions: int = Field(default=2, ge=1, le=1024, description="only used to create the topic")
    topic_replication: int = Field(default=1, ge=1)
    topic_retention_hours: int = Field(default=168, ge=1)

    # libpq connection strings; one per role, least privilege each.
    postgres_owner: SecretStr = SecretStr("host=127.0.0.1 port=5432 dbname=clickstream user=clickstream_owner")
    postgres_writer: SecretStr = SecretStr("host=127.0.0.1 port=5432 dbname=clickstream user=clickstream_writer")
    postgres_reader: SecretStr = SecretStr("host=127.0.0.1 port=5432 dbname=clickstream user=clickstream_reader")
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")

    superset_url: str = Field(default="http://127.0.0.1:8088", description="as a browser reaches it; for links")
    superset_internal_url: str = Field(default="", description="as the services reach it, if not so")

    # The key of the hash that stands for an address in replayed logs; never stored beside the data.
    user_hash_key: SecretStr = SecretStr("")

    home: Path = Field(default_factory=_home, description="the checkout: sql/ and spark_jobs/ are found below it")
    state_dir: Path = Field(default=Path(".local"), description="spool, checkpoints and ledgers of the generator")

    archive: str = Field(default="", description="folder or URI of the Delta archive; none: `archive` in the state_dir")

    retention_days: int | None = Field(
        default=None, ge=2, description="events and their ids are kept for so many days; none: for ever"
    )
    checks_retention_days: int = Field(default=30, ge=1, description="results of checks are kept for so many days")

    session_gap_seconds: int = Field(default=1_800, ge=1)
    future_tolerance_seconds: int = Field(default=300, ge=0)
    late_after_seconds: int = Field(default=300, ge=1)

    page_groups: Path | None = Field(default=None, description="own rules for groups of pages: docs/enrichment.md")

    stream_trigger_ms: int = Field(default=500, ge=0, description="shortest time between two micro-batches")
    stream_max_batch_events: int = Field(default=400_000, ge=1)


@cache
def settings() -> Settings:
    """The process's settings, read once."""
    return Settings()
