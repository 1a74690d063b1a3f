"""Redis: does it answer, and does anybody publish?"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import redis

from clickstream.doctor.finding import Finding
from clickstream.settings import Settings

_SECONDS = 3
_SILENT_SECONDS = 10  # the driver publishes every second


@dataclass(frozen=True)
class LiveView:
    """`age` of what is published in seconds (None: nothing is); `stages` of the last batch in ms; Redis' clock."""

    age: float | None
    stages: dict[str, float]
    batch_ms: float
    clock_ahead: float


def read(settings: Settings) -> LiveView:
    """Ask Redis. Raises redis.RedisError when it does not answer."""
    url = settings.redis_url.get_secret_value()
    with redis.Redis.from_url(
        url, decode_responses=True, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS
    ) as client:
        before = time.time()
        seconds, micros = client.time()
        between = (before + time.time()) / 2
        as_of, stages = client.get("live:as_of"), client.hgetall("live:stages")
        batch_ms = client.hget("live:performance", "batch_ms")
    age = None if as_of is None else (datetime.now(UTC) - datetime.fromisoformat(str(as_of))).total_seconds()
    return LiveView(
        age,
        {str(stage): float(ms) for stage, ms in stages.items()},
        float(batch_ms or 0),
        seconds + micros / 1e6 - between,
    )


def judge(live: LiveView) -> list[Finding]:
    """Whether it is fed."""
    if live.age is None or live.age > _SILENT_SECONDS:
        found = "answers, but is silent: " + (
            "nothing published within 60 s" if live.age is None else f"published {live.age:.0f} s ago"
        )
        return [Finding("redis", found, "the stream's driver publishes: mend what is said of `stream`")]
    return [Finding("redis", f"answers, published {max(live.age, 0):.1f} s ago")]
