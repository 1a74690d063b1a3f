"""Whether Kafka and Superset answer: asked aside, so that the page waits for neither of them."""

import re
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
from confluent_kafka.admin import AdminClient

from clickstream.settings import Settings

PERIOD_SECONDS = 10.0
_TIMEOUT_SECONDS = 3.0
_NUMBER = re.compile(r"^\[Errno -?\d+\] ")  # what it says after it is for people
Answer = dict[str, bool | str]


class Services:
    """Asks each service every ten seconds while somebody looks; one that hangs holds up nobody else.

    Not for several threads at once.
    """

    def __init__(self, settings: Settings) -> None:
        self._asked = [
            _Asked("Kafka", _kafka(settings.kafka_bootstrap)),
            _Asked("Superset", _superset(settings.superset_internal_url or settings.superset_url)),
        ]

    def read(self) -> list[Answer]:
        """The last answer of each: its name, whether it is `well` and what it said; only those that were heard."""
        return [answer for asked in self._asked if (answer := asked.latest())]


class _Asked:
    """One service and its last answer."""

    def __init__(self, name: str, ask: Callable[[], str]) -> None:
        self._name = name
        self._ask = ask
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"live-page-{name}")
        self._next_at = 0.0
        self._question: Future[Answer] | None = None
        self._answer: Answer | None = None

    def latest(self) -> Answer | None:
        if self._question is not None and self._question.done():
            self._answer, self._question = self._question.result(), None
        if self._question is None and time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + PERIOD_SECONDS
            self._question = self._pool.submit(self._answered)
        return self._answer

    def _answered(self) -> Answer:
        try:
            return {"name": self._name, "well": True, "said": self._ask()}
        except Exception as trouble:  # whatever is wrong with it, this is what the page has to show
            said = _NUMBER.sub("", str(trouble)) or type(trouble).__name__
            return {"name": self._name, "well": False, "said": f"away: {said[:200]}"}


def _kafka(bootstrap: str) -> Callable[[], str]:
    clients: list[AdminClient] = []

    def ask() -> str:
        if not clients:
            # Made at the first question and kept: it connects again by itself, and a metadata request is cheap.
            clients.append(AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}))
        brokers = clients[0].list_topics(timeout=_TIMEOUT_SECONDS).brokers
        return f"answers, {len(brokers)} broker{'s' if len(brokers) > 1 else ''}"

    return ask


def _superset(url: str) -> Callable[[], str]:
    def ask() -> str:
        # Not through a proxy of the environment: that is for other hosts.
        httpx.get(f"{url}/health", timeout=_TIMEOUT_SECONDS, trust_env=False).raise_for_status()
        return "answers"

    return ask
