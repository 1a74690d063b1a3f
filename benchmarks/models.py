"""What a five-minute run of all models costs with 60 days stored, against 20.

    python benchmarks/models.py [--rate 1] [--own-servers]

Stores the same shop in two databases, for 60 days and for the last 20 of them, and builds the models. Then the same
five minutes of events come in both, and all tasks of clickstream_models run over each, by turns. Prints the medians of
the runs and of the tasks whose cost differs most, in seconds, as JSON.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from bench_servers import Bench, NoPlatformError, warehouse
from history import History
from models_dag import Models

from clickstream.generator import GeneratorOptions
from clickstream.settings import Settings, settings

_FEW, _MANY = 20, 60
_RUNS = 9
_EVERY = timedelta(minutes=5)


class Shop:
    """A warehouse with days of a shop, all built."""

    def __init__(self, platform: Settings, environment: dict[str, str], days: int, rate: float) -> None:
        self._options = GeneratorOptions(rate=rate)
        self._environment = environment
        self._history = History(platform)
        self._models = Models(platform)
        noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
        self._until = noon - timedelta(days=1)
        self._store(self._until - timedelta(days=days), self._until)
        with psycopg.connect(platform.postgres_owner.get_secret_value(), autocommit=True) as owner:
            owner.execute("vacuum analyze")  # as autovacuum does soon
            self._run(self._until)
            owner.execute("vacuum analyze")
            [(self.events,)] = owner.execute("select count(*) from clickstream.events").fetchall()

    def go_on(self) -> dict[str, float]:
        """The next five minutes come; seconds of the run that follows, by task."""
        start, self._until = self._until, self._until + _EVERY
        self._store(start, self._until)
        return self._run(start)

    def close(self) -> None:
        """Give the connections back."""
        self._history.close()

    def _store(self, start: datetime, end: datetime) -> None:
        self._history.store(self._options, start, end)

    def _run(self, start: datetime) -> dict[str, float]:
        os.environ.update(self._environment)
        settings.cache_clear()
        return self._models.run(start, self._until)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=1.0, help="records/s of the shop")
    parser.add_argument("--own-servers", action="store_true", help="PostgreSQL for this run alone")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clickstream-bench-") as temporary:
        try:
            with warehouse(Path(temporary), given.own_servers) as servers:
                print(json.dumps(measure(servers, given.rate), indent=2))
        except NoPlatformError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


def measure(servers: Bench, rate: float) -> dict[str, Any]:
    """The figures; raises AssertionError when a check stops a run."""
    with contextlib.ExitStack() as stack:
        shops = {}
        for days in (_FEW, _MANY):
            where = stack.enter_context(servers.platform(f"days_{days}"))
            shops[days] = stack.enter_context(contextlib.closing(Shop(*where, days, rate)))
        runs: dict[int, list[dict[str, float]]] = {days: [] for days in shops}
        for number in range(_RUNS):
            for days in sorted(shops, reverse=number % 2 == 1):
                runs[days].append(shops[days].go_on())
    few, many = (_medians(runs[days]) for days in (_FEW, _MANY))
    slower = sorted(few, key=lambda task: few[task] - many[task])[:6]
    return {
        "models_events": {days: shop.events for days, shop in shops.items()},
        "models_run_seconds": round(few["all"], 2),
        "models_run_seconds_3_times_stored": round(many["all"], 2),
        "models_run_ratio": round(many["all"] / few["all"], 2),
        "models_tasks": {task: [round(few[task], 3), round(many[task], 3)] for task in slower},
    }


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    whole = [{**run, "all": sum(run.values())} for run in runs]
    return {task: statistics.median(run[task] for run in whole) for task in whole[0]}


if __name__ == "__main__":
    raise SystemExit(main())
