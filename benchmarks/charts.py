"""How long each chart of each dashboard takes to answer over ten million events.

    python benchmarks/charts.py [--events 10000000] [--days 7] [--limit 1000]

Fills a PostgreSQL of its own by the stream's writer and builds all models, then opens every dashboard of a Superset of
its own in Chromium, so that each chart asks as a person's browser lets it, with the dashboard's filters. What they
asked is asked again, one after the other and without Superset's cache: once to warm up, then three times. Prints the
median and the slowest of those for each chart; exit code 1 when a median is above the limit.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import redis
from bench_servers import ROOT, warehouse
from history import History, shop
from models_dag import Models

from clickstream.live import Live, Performance
from clickstream.settings import Settings
from local.server import running

sys.path.append(str(ROOT / "tests"))
from superset_browser import Dashboard, browsing, charts
from superset_server import Superset, superset_beside


class Answer(NamedTuple):
    """What a chart took, ms, and how many rows it got."""

    dashboard: str
    chart: str
    median_ms: float
    slowest_ms: float
    rows: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=7, help="over which they lie, until now; dashboards show a week")
    parser.add_argument("--limit", type=float, default=1_000, help="ms")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clickstream-bench-") as temporary:
        directory = Path(temporary)
        with warehouse(directory, own_servers=True) as servers, servers.platform("charts") as (platform, _):
            fill(platform, given.events, given.days)
            with superset(directory, servers.admin_dsn, platform) as server:
                answers = list(measure(server, platform))
    return report(answers, given.limit)


def fill(platform: Settings, events: int, days: int) -> None:
    """Store about so many events of the last days, build the models, and do what autovacuum would."""
    now = datetime.now(UTC)
    began = time.monotonic()
    history = History(platform)
    history.store(shop(events, days), now - timedelta(days=days), now)
    history.close()
    say(f"stored after {time.monotonic() - began:.0f} s")
    Models(platform).run(now, now)
    say(f"models built after {time.monotonic() - began:.0f} s")
    with psycopg.connect(platform.postgres_owner.get_secret_value(), autocommit=True) as owner:
        owner.execute("vacuum (analyze)")
        counts = "(select count(*) from clickstream.{})"
        tables = ("events", "sessions", "funnel_users")
        found = owner.execute("select " + ", ".join(counts.format(table) for table in tables)).fetchone()
    assert found
    say(", ".join(f"{count:,} {table}" for table, count in zip(tables, found, strict=True)))


@contextmanager
def superset(directory: Path, admin_dsn: str, platform: Settings) -> Iterator[Superset]:
    """Superset over the filled warehouse, set up and served."""
    server = superset_beside(
        directory, admin_dsn, platform.postgres_reader.get_secret_value(), platform.redis_url.get_secret_value()
    )
    done = server.setup()
    assert done.returncode == 0, done.stderr
    with running(server, directory / "superset.log", seconds=180):
        yield server


def measure(server: Superset, platform: Settings) -> Iterator[Answer]:
    """Every chart's answers, dashboard by dashboard."""
    with browsing(server, height=4_000) as dashboard:
        for slug, titles in sorted(charts().items()):
            publish(platform)
            dashboard.open(slug, titles)
            assert dashboard.failures == []
            for title, asked in sorted(dashboard.asked.items()):
                publish(platform)
                times, rows = ask(dashboard, server.url, asked)
                yield Answer(slug, title, statistics.median(times), max(times), rows)


def ask(dashboard: Dashboard, url: str, asked: dict[str, Any]) -> tuple[list[float], int]:
    """Ask what a chart asked, without cache: ms of three answers after one, and the rows of the last."""
    times = []
    for _ in range(4):
        began = time.perf_counter()
        answer = dashboard.page.request.post(f"{url}/api/v1/chart/data", data={**asked, "force": True})
        times.append((time.perf_counter() - began) * 1_000)
        assert answer.ok, answer.text()
        results = answer.json()["result"]
        assert not any(part["is_cached"] for part in results)
    return times[1:], sum(part["rowcount"] for part in results)


def publish(platform: Settings) -> None:
    """The live view, as the stream's driver would write it every second."""
    with (
        psycopg.connect(platform.postgres_writer.get_secret_value(), autocommit=True) as connection,
        redis.Redis.from_url(platform.redis_url.get_secret_value()) as client,
    ):
        nothing = Performance(0, 0, {}, 0, {}, (0, 0, 0))
        Live(connection, client, epoch=1).publish(nothing, datetime.now(UTC))


def report(answers: list[Answer], limit: float) -> int:
    """Print the table, slowest first; the exit code."""
    print("| chart | dashboard | median ms | slowest ms | rows |\n|---|---|---|---|---|")
    for answer in sorted(answers, key=lambda each: -each.median_ms):
        name = answer.dashboard.removeprefix("clickstream-")
        print(f"| {answer.chart} | {name} | {answer.median_ms:.0f} | {answer.slowest_ms:.0f} | {answer.rows:,} |")
    slow = [answer.chart for answer in answers if answer.median_ms > limit]
    if slow:
        print(f"{len(slow)} of {len(answers)} charts over {limit:.0f} ms", file=sys.stderr)
    return 1 if slow else 0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
