"""What the simulated shop is like: each field is ``CLICKSTREAM_GENERATOR_<NAME>`` in the environment."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class GeneratorOptions(BaseSettings):
    """Same options, same seed, same window: same records. Shares are of events, between 0 and 1."""

    model_config = SettingsConfigDict(env_prefix="CLICKSTREAM_GENERATOR_", extra="ignore", frozen=True)

    rate: float = Field(default=50.0, gt=0, le=100_000, description="records/s, averaged over a week")
    seed: int = Field(default=1, ge=0, lt=2**63)
    users: int = Field(default=100_000, ge=1, le=2_000_000, description="people who may come, some far more often")
    duplicate_share: float = Field(default=0.05, ge=0, le=1, description="events that are sent twice")
    malformed_share: float = Field(default=0.01, ge=0, le=1, description="events whose record is broken")
    late_share: float = Field(default=0.03, ge=0, le=1, description="sessions of a phone that goes offline")
    bot_share: float = Field(default=0.06, ge=0, le=1, description="sessions of bots, declared and not")
    anomalies_per_day: int = Field(default=3, ge=0, le=12, description="injected incidents of 10 to 30 minutes")
    host: str = Field(default="https://shop.example.com", pattern=r"^https?://[^/\s]+$")
