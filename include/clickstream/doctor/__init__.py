"""Finds the usual faults of the platform. Parts are asked side by side; one that is away does not stop the others."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from clickstream.doctor import broker, live_view, machine, stream, warehouse
from clickstream.doctor.finding import Finding, first_line
from clickstream.settings import Settings

__all__ = ["Finding", "examine"]

_SECONDS = 20.0  # every client gives up by itself before; this is for what none of them foresees

_MENDS = {
    "kafka": "start it (make up), or set CLICKSTREAM_KAFKA_BOOTSTRAP to where it is",
    "postgres": "start it (make up), or set CLICKSTREAM_POSTGRES_READER and _OWNER to where it is",
    "redis": "start it (make up), or set CLICKSTREAM_REDIS_URL to where it is",
    "machine": "see the error",
    "airflow": "make logs ARGS=airflow-api-server; without it nothing is scheduled",
}


def examine(settings: Settings, airflow: Callable[[], stream.Scheduled] | None = None) -> list[Finding]:
    """Every finding, faults and what is well. `airflow`, where it can be asked, tells of the stream's DAG."""
    readers: dict[str, Callable[[], Any]] = {
        "kafka": lambda: broker.read(settings),
        "postgres": lambda: warehouse.read(settings),
        "redis": lambda: live_view.read(settings),
        "machine": lambda: machine.read(settings),
        **({"airflow": airflow} if airflow else {}),
    }
    pool = ThreadPoolExecutor(len(readers))
    asked = {name: pool.submit(reader) for name, reader in readers.items()}
    facts: dict[str, Any] = {}
    away: list[Finding] = []
    for name, future in asked.items():
        facts[name], fault = _answer(name, future)
        away += fault
    pool.shutdown(wait=False)
    return [*away, *_judge(settings, facts)]


def _judge(settings: Settings, facts: dict[str, Any]) -> list[Finding]:
    kafka, postgres, live = facts["kafka"], facts["postgres"], facts["redis"]
    clocks = {name: part.clock_ahead for name, part in (("PostgreSQL", postgres), ("Redis", live)) if part}
    scheduled = facts.get("airflow")
    return [
        *(broker.judge(kafka, settings) if kafka else []),
        *(warehouse.judge(postgres) if postgres else []),
        *(live_view.judge(live) if live else []),
        *([Finding("airflow", "answers")] if scheduled else []),
        *stream.judge(settings, kafka, postgres, live, facts["machine"], scheduled),
        *(machine.judge(facts["machine"]) if facts["machine"] else []),
        *machine.judge_clocks(clocks, kafka.newest_ahead if kafka else None),
    ]


def _answer(name: str, future: "Future[Any]") -> tuple[Any, list[Finding]]:
    try:
        return future.result(_SECONDS), []
    except TimeoutError:
        return None, [Finding(name, f"no answer within {_SECONDS:.0f} s", _MENDS[name])]
    except Exception as error:  # whatever is wrong with one part, the others are judged
        return None, [Finding(name, f"away: {first_line(error)}", _MENDS[name])]
