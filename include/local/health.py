"""Is the platform well? Every check asks the service itself for something real."""

import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import redis

from local.airflow import Airflow
from local.layout import Layout
from local.processes import memory_by_service
from local.server import LOOPBACK
from local.servers import Servers
from local.services import NAMES
from local.supervised import supervisor_pid
from local.supervisor import Supervisor

# A driver beats every second; after this many seconds without, nobody streams.
STREAM_SILENCE_SECONDS = 30


@dataclass(frozen=True)
class Check:
    """One answer: `name`, whether it is well, and what was found or what went wrong."""

    name: str
    healthy: bool
    detail: str


@dataclass(frozen=True)
class Status:
    """The whole platform: every check, and the memory of each service in MB (proportional set size)."""

    healthy: bool
    checks: list[Check]
    memory_mb: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def status(layout: Layout, servers: Servers) -> Status:
    """Ask everything, side by side; a check that raises is unhealthy with its error as detail."""
    states = Supervisor(layout).states()
    questions = _questions(layout, servers)
    with ThreadPoolExecutor(len(questions)) as pool:
        answers = list(pool.map(lambda name: _ask(name, questions[name]), questions))
    running = [
        Check(f"process {name}", states.get(name, {}).get("statename") == "RUNNING", _state(states.get(name)))
        for name in NAMES
    ]
    roots = {name: info["pid"] for name, info in states.items() if info["pid"]}
    if (pid := supervisor_pid(layout)) is not None:
        roots["supervisord"] = pid
    memory = {name: round(size / 2**20) for name, size in memory_by_service(layout, roots).items()}
    checks = running + answers
    return Status(all(check.healthy for check in checks), checks, memory)


def stream_is_live(servers: Servers) -> bool:
    """Have sessions arrived, and does the driver publish?"""
    with psycopg.connect(servers.postgres.admin_dsn("clickstream"), connect_timeout=5) as connection:
        found = connection.execute("select exists (select from clickstream.sessions)").fetchone()
    with redis.Redis.from_url(servers.redis.url(), socket_timeout=5) as client:
        return bool(found and found[0] and client.exists("live:as_of"))


def models_are_built(servers: Servers) -> bool:
    """Has a run of the SQL models found anything yet?"""
    with psycopg.connect(servers.postgres.admin_dsn("clickstream"), connect_timeout=5) as connection:
        found = connection.execute("select exists (select from clickstream.funnel_steps)").fetchone()
    return bool(found and found[0])


def _questions(layout: Layout, servers: Servers) -> dict[str, Callable[[], Check]]:
    dsn = servers.postgres.admin_dsn("clickstream")
    return {
        "postgres": lambda: _answered("postgres", servers.postgres.ready, "answers a query"),
        "redis": lambda: _answered("redis", servers.redis.ready, "answers a ping"),
        "kafka": lambda: _answered("kafka", servers.kafka.ready, "lists its topics"),
        "airflow": lambda: airflow(layout),
        "superset": lambda: superset(layout),
        "stream": lambda: _stream(dsn),
        "slices": lambda: _slices(dsn),
        "live": lambda: _live(servers),
    }


def _ask(name: str, question: Callable[[], Check]) -> Check:
    try:
        return question()
    except Exception as error:
        first = next(iter(str(error).splitlines()), "")
        return Check(name, False, f"{type(error).__name__}: {first}")


def _answered(name: str, ready: Callable[[], None], detail: str) -> Check:
    ready()
    return Check(name, True, detail)


def airflow(layout: Layout) -> Check:
    """Airflow's own health end point."""
    answer = Airflow(layout).health()
    # The triggerer is not run: no DAG here defers.
    parts = {part: answer[part]["status"] for part in ("metadatabase", "scheduler", "dag_processor")}
    detail = ", ".join(f"{part} {state}" for part, state in parts.items())
    return Check("airflow", all(state == "healthy" for state in parts.values()), detail)


def superset(layout: Layout) -> Check:
    """Superset's own health end point."""
    url = f"http://{LOOPBACK}:{layout.ports['SUPERSET']}/health"
    with urllib.request.urlopen(url, timeout=10) as answer:
        said = answer.read(20).decode()
    return Check("superset", said == "OK", said)


def _stream(dsn: str) -> Check:
    query = "select epoch, extract(epoch from now() - heartbeat_at) from clickstream.stream_lease"
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        found = connection.execute(query).fetchone()
    if found is None:
        return Check("stream", False, "no driver has taken the lease yet")
    epoch, silence = int(found[0]), float(found[1])
    return Check("stream", silence < STREAM_SILENCE_SECONDS, f"epoch {epoch}, heartbeat {silence:.1f} s ago")


def _slices(dsn: str) -> Check:
    """Old is no fault: there may be no events."""
    query = "select extract(epoch from now() - max(applied_at)) from clickstream.stream_slices"
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        found = connection.execute(query).fetchone()
    if found is None or found[0] is None:
        return Check("slices", True, "none applied yet")
    return Check("slices", True, f"last applied {float(found[0]):.1f} s ago")


def _live(servers: Servers) -> Check:
    with redis.Redis.from_url(servers.redis.url(), socket_timeout=5, decode_responses=True) as client:
        as_of = client.get("live:as_of")
    if not isinstance(as_of, str):
        return Check("live", False, "nothing published within the last 60 s")
    age = (datetime.now(UTC) - datetime.fromisoformat(as_of)).total_seconds()
    return Check("live", age < STREAM_SILENCE_SECONDS, f"published {age:.1f} s ago")


def _state(info: dict[str, Any] | None) -> str:
    if info is None:
        return "not running"
    minutes = (info["now"] - info["start"]) / 60
    if info["statename"] == "RUNNING":
        return f"pid {info['pid']}, up {minutes:.0f} min"
    return f"{info['statename'].lower()} {info['spawnerr']}".strip()
