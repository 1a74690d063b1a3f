"""The purchase funnel over stored events: PostgreSQL by the models' own SQL, against DuckDB from Parquet.

    python benchmarks/funnel.py [--events 10000000] [--own-servers]

Stores three weeks of a shop with so many events by the stream's own transaction and exports what the funnel reads.
Then builds the funnel for every user three times with both: who entered when and how far they got, the counts with
shares and percentiles, the times to convert. The answers must be equal. Prints the medians as JSON.
"""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
from bench_servers import NoPlatformError, warehouse
from history import History, shop
from models_dag import Models, seconds

from clickstream.settings import Settings

_DAYS = 21
_TIMES = 3
# What the funnel reads, in the order in which it is stored.
_READ = {
    "events": "select event_id, event_time, event_type, user_id, page_path, device, bot from clickstream.events",
    "sessions": "select user_id, started_at, ended_at, bot, quarantined, channel from clickstream.sessions",
}
# The same rows from PostgreSQL and from DuckDB; times in Unix ms, percentiles as far as they are exact.
_PERCENTILES = ("p25", "median", "p75", "p90")
_ANSWERS = {
    "funnel_users": (
        "select day, 'u' || scope_id as scope_id, (1000 * extract(epoch from entered_at))::bigint, reached,"
        " (select string_agg('t' || (1000 * extract(epoch from step))::bigint, ' ' order by step)"
        " from unnest(step_at) as step), breakdown ->> 'device', breakdown ->> 'channel' from clickstream.funnel_users",
        "select day, 'u' || scope_id, epoch_ms(entered_at), reached,"
        " array_to_string(['t' || epoch_ms(step) for step in step_at], ' '), device, channel from funnel_users",
    ),
    "funnel_steps": (
        "select day, breakdown, value, step, users, share_of_previous, share_of_first, "
        + ", ".join(f"round({of}_{p}_seconds::numeric, 6)" for of in ("previous", "first") for p in _PERCENTILES)
        + " from clickstream.funnel_steps",
        "select day, breakdown, value, step, users, share_of_previous, share_of_first, "
        + ", ".join(f"round({of}[{n}], 6)" for of in ("previous", "first") for n in range(1, 5))
        + " from funnel_steps",
    ),
    "funnel_times": (
        "select day, extract(epoch from at_least)::bigint, users from clickstream.funnel_times",
        "select day, epoch(at_least)::bigint, users from funnel_times",
    ),
}
_COUNTED = ("funnel_events", "funnel_users", "funnel_entries", "funnel_converted")
_SQL = Path(__file__).parent / "sql" / "funnel.sql"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--own-servers", action="store_true", help="PostgreSQL for this run alone")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clickstream-bench-") as temporary:
        try:
            with warehouse(Path(temporary), given.own_servers) as servers, servers.platform("funnel") as (platform, _):
                print(json.dumps(measure(platform, given.events, Path(temporary)), indent=2))
        except NoPlatformError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


def measure(platform: Settings, events: int, directory: Path) -> dict[str, Any]:
    """The figures; raises AssertionError when the answers differ."""
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with contextlib.closing(History(platform)) as history:
        storing = seconds(lambda: history.store(shop(events, _DAYS), end - timedelta(days=_DAYS), end))
    return {"funnel_store_seconds": round(storing), **compare(platform, end, directory)}


def compare(platform: Settings, end: datetime, directory: Path) -> dict[str, Any]:
    """The figures of what is stored."""
    with (
        psycopg.connect(platform.postgres_owner.get_secret_value(), autocommit=True) as owner,
        duckdb.connect(config={"threads": 2}) as apart,
    ):
        owner.execute("vacuum analyze clickstream.events, clickstream.sessions")  # as autovacuum does soon
        models = Models(platform)
        models.run_task("claim", end, end)
        builds = []
        for _ in range(_TIMES):
            owner.execute("truncate clickstream.funnel_users, clickstream.funnel_steps, clickstream.funnel_times")
            builds.append(models.run_task("funnels.purchase.build", end, end))
        again = models.run_task("funnels.purchase.build", end, end)
        files = {name: _exported(owner, apart, query, directory / name) for name, query in _READ.items()}
        statements = _SQL.read_text().format(**files)
        scans = [seconds(lambda: apart.execute(statements)) for _ in range(_TIMES)]
        for name, (ours, theirs) in _ANSWERS.items():
            answer = _exported(owner, apart, ours, directory / name)
            both = f"from '{answer}'", theirs
            differing = [apart.execute(f"({a}) except all ({b}) limit 3").fetchall() for a, b in (both, both[::-1])]
            assert differing == [[], []], (name, differing)
        counted = owner.execute(
            "select count(*), count(distinct user_id), (select count(*) from clickstream.funnel_users),"
            " (select sum(users) from clickstream.funnel_times) from clickstream.events"
        ).fetchone()
    assert counted is not None
    return {
        **dict(zip(_COUNTED, map(int, counted), strict=True)),
        "funnel_seconds": round(statistics.median(builds), 2),
        "funnel_again_seconds": round(again, 2),
        "funnel_duckdb_seconds": round(statistics.median(scans), 2),
        "funnel_ratio": round(statistics.median(builds) / statistics.median(scans), 2),
    }


def _exported(owner: psycopg.Connection, apart: duckdb.DuckDBPyConnection, query: str, file: Path) -> str:
    """The rows of a query as a Parquet file; its path."""
    text = file.with_suffix(".csv")
    with (
        text.open("wb") as output,
        owner.cursor() as cursor,
        cursor.copy(f"copy ({query}) to stdout (format csv, header)") as rows,  # type: ignore[arg-type]
    ):
        output.writelines(rows)
    parquet = file.with_suffix(".parquet")
    apart.execute(f"copy (from read_csv('{text}', sample_size = -1)) to '{parquet}'")
    text.unlink()
    return str(parquet)


if __name__ == "__main__":
    raise SystemExit(main())
