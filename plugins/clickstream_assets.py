"""What the DAGs read and write, for Airflow's asset graph: topic → tables → models → dashboards.

Nothing is scheduled by them. Airflow has this folder on every component's path.
"""

from airflow.sdk import Asset

from clickstream.settings import settings


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
# What the stream folds and the models read.
TABLES = [
    _table(name)
    for name in (
        "events",
        "sessions",
        "session_arrivals",
        "journey_links",
        "traffic_minute",
        "page_minute",
        "load_minute",
    )
]
ANOMALIES = [_table("anomalies"), _table("session_anomalies")]
LIVE = _dashboard("live")
DASHBOARDS = [_dashboard(name) for name in ("sessions", "funnels", "journeys", "acquisition", "trust")]
