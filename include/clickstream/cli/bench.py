"""`clickstream bench`: measure this platform on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from clickstream.settings import settings

console = Console()
# What each figure of the benchmarks' JSON is, its unit and the goal.
FIGURES = {
    "memory_mb": ("whole platform (PSS), MB", "< 5,000"),
    "events_per_cpu_second": ("generate, encode, produce: records per CPU second", "≥ 100,000"),
    "paced_records_per_second": ("paced traffic, records/s", "≥ 5,000"),
    "latency_p50_ms": ("Kafka time to visible in Redis, p50 of the worst minute, ms", ""),
    "latency_p95_ms": ("… p95, ms", ""),
    "latency_p99_ms": ("… p99, ms", "≤ 1,500"),
    "lag_events_mean_first_half": ("lag, records, mean of the first half", ""),
    "lag_events_mean_second_half": ("… of the second half", "not growing"),
    "paced_job_peak_pss_mb": ("streaming job at that pace, peak memory (PSS), MB", "≤ 2,500"),
    "backfilled_per_second": ("backfill of a day, archive to swap, events/s", "≥ 60,000"),
    "stream_waited_seconds": ("… for which the stream waited, s", ""),
    "funnel_events": ("purchase funnel, built for all users: stored events", ""),
    "funnel_seconds": ("… by the models' SQL, s", ""),
    "funnel_duckdb_seconds": ("… by DuckDB from Parquet, s", ""),
    "funnel_ratio": ("… times as long as DuckDB", "≤ 2"),
    "models_run_seconds": ("five-minute run of all models with 20 days stored, s", ""),
    "models_run_seconds_3_times_stored": ("… with 60 days stored, s", ""),
    "models_run_ratio": ("… times as long", "≤ 1.2"),
    "archive_paced_records_per_second": ("archive beside the stream: paced traffic, records/s", "≥ 20,000"),
    "archive_records_per_second": ("… its slowest run, records/s", "more than that"),
    "archive_longest_run_seconds": ("… its longest run, every 10 minutes, s", "< 600"),
    "archive_stream_lag_mean_first_half": ("… the stream's lag, records, mean of the first half", ""),
    "archive_stream_lag_mean_second_half": ("… of the second half", "not growing"),
    "commit_p99_ms_without_archive": ("Kafka time to commit at 1,000 records/s, p99, ms", ""),
    "commit_p99_ms_with_archive": ("… with the archive every 10 minutes, ms", ""),
    "commit_p99_ratio": ("… times as long", "≤ 1.5"),
}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(bench)


def bench(
    events: Annotated[int, typer.Option(help="visitors' events to catch up with")] = 3_000_000,
    seconds: Annotated[int, typer.Option(help="of paced traffic, after a minute of warm-up")] = 300,
    rate: Annotated[int, typer.Option(help="paced records/s")] = 5_200,
    backfill_events: Annotated[int, typer.Option(help="of the day that is backfilled")] = 2_000_000,
    funnel_events: Annotated[int, typer.Option(help="over which the purchase funnel is built")] = 10_000_000,
    long: Annotated[bool, typer.Option("--long", help="also the archive: 100 minutes, 60 GB of disk")] = False,
) -> None:
    """Measure memory, producer, latency, backfill, models and catching up beside the running platform.

    Takes 25 minutes without the models; the funnel over 10 million events needs more than 12 GB of disk.

    The stream is measured in a database and a topic of its own, against a consumer written by hand and Bytewax, which
    must store the same; meanwhile the platform's own stream rests.

    Example: [bold]clickstream bench --events 1000000 --seconds 60[/]
    """
    figures: dict[str, object] = {"memory_mb": _memory()}
    home = settings().home
    figures |= json.loads(_output(home, ["taskset", "-c", "0"], "produce.py"))
    figures |= json.loads(_output(home, [], "latency.py", "--rate", str(rate), "--seconds", str(seconds)))
    figures |= json.loads(_output(home, [], "backfill.py", "--events", str(backfill_events)))
    figures |= json.loads(_output(home, [], "funnel.py", "--events", str(funnel_events)))
    figures |= json.loads(_output(home, [], "models.py"))
    if long:
        figures |= json.loads(_output(home, [], "archive.py"))
    table = Table(
        "figure", "measured", "goal", title=f"{os.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GiB"
    )
    for key, (title, goal) in FIGURES.items():
        if key not in figures:
            continue
        value = figures[key]
        table.add_row(title, f"{value:,}" if isinstance(value, int | float) else str(value), goal)
    console.print(table)
    print(_output(home, [], "compare.py", "--events", str(events)))


def _output(home: Path, prefix: list[str], name: str, *arguments: str) -> str:
    console.print(f"benchmarks/{name} …")
    command = [*prefix, sys.executable, str(home / "benchmarks" / name), *arguments]
    done = subprocess.run(command, cwd=home, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        print(done.stdout)
        raise typer.Exit(done.returncode)
    return done.stdout


def _memory() -> int:
    from local.health import status
    from local.layout import load
    from local.passwords import ensure
    from local.servers import Servers

    layout = load(settings().home)
    found = status(layout, Servers.of(layout, ensure(layout.secrets)))
    if not found.healthy:
        console.print("the platform is not well: clickstream status", style="red")
        raise typer.Exit(1)
    return sum(found.memory_mb.values())
