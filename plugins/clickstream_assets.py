"""What the DAGs read and write, for Airflow's asset graph: topic → tables → models → dashboards.

Nothing is scheduled by them. Airflow has this folder on every component's path.
"""

import re
from functools import cache

from airflow.sdk import Asset

from clickstream.settings import settings

_READ = re.compile(r"\b(?:from|join)\s+(?:clickstream\.)?(\w+)")
_COMMENT = re.compile(r"--.*")


def _table(name: str) -> Asset:
    return Asset(name=f"clickstream.{name}", group="clickstream-table")


def model(name: str) -> Asset:
    """A table that a folder of sql/models makes."""
    return Asset(name=f"clickstream.{name}", group="clickstream-model")


def _dashboard(name: str) -> Asset:
    address = f"{settings().superset_url}/superset/dashboard/clickstream-{name}/"
    return Asset(name=f"dashboard {name}", uri=address, group="clickstream-dashboard")


TOPIC = Asset(name=f"topic {settings().topic}", group="clickstream-topic")
ARCHIVE = Asset(name="archive", group="clickstream-archive")
DEAD_LETTERS = _table("dead_letters")
# What follows from the events: a backfill makes it anew.
RECOMPUTED = [
    _table(name)
    for name in (
        "events",
        "sessions",
        "session_anomalies",
        "journey_links",
        "traffic_minute",
        "page_minute",
        "load_minute",
    )
]
# What the stream writes and the models may read.
TABLES = [*RECOMPUTED, *(_table(name) for name in ("session_arrivals", "stream_slices", "stream_offsets", "anomalies"))]
LIVE = _dashboard("live")
DASHBOARDS = [LIVE, *(_dashboard(name) for name in ("sessions", "funnels", "journeys", "acquisition", "trust"))]


def lineage(*names: str) -> dict[str, list[Asset]]:
    """The `inlets` and `outlets` of a task that builds these models: what their queries read, and the models."""
    read = {found for name in names for found in _reads(name)} - set(names)
    tables = [table for table in TABLES if table.name.removeprefix("clickstream.") in read]
    models = [model(name) for name in sorted(read & _models())]
    return {"inlets": tables + models, "outlets": [model(name) for name in names]}


@cache
def _models() -> frozenset[str]:
    return frozenset(file.parent.name for file in (settings().home / "sql" / "models").glob("*/query.sql"))


@cache
def _reads(name: str) -> frozenset[str]:
    """Every word after `from` or `join` of a model's query: tables, and names that mean nothing outside of it."""
    query = (settings().home / "sql" / "models" / name / "query.sql").read_text()
    return frozenset(_READ.findall(_COMMENT.sub("", query)))
