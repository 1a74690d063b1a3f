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
    "events_per_cpu_second": ("generate, encode, produce: records per CPU second", "≥ 100,000"),
    "bytes_per_record": ("bytes a record", "≥ 440"),
    "drained_per_second_median": ("stream, catching up: records/s (median of slices)", "≥ 40,000"),
    "drained_per_second_mean": ("stream, catching up: records/s (mean after warm-up)", ""),
    "first_commit_seconds": ("job submitted to first commit, s", ""),
    "job_peak_pss_mb": ("streaming job, peak memory (PSS), MB", ""),
    "cpu_us_per_record": ("CPU µs a record, start of the job included", ""),
    "paced_records_per_second": ("paced traffic, records/s", "1,000"),
    "latency_p50_ms": ("Kafka time to visible in Redis, p50, ms", ""),
    "latency_p95_ms": ("… p95, ms", ""),
    "latency_p99_ms": ("… p99, ms", "≤ 3,000"),
    "memory_mb": ("whole platform (PSS), MB", "< 5,000"),
}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(bench)


def bench(
    events: Annotated[int, typer.Option(help="records to catch up with")] = 2_000_000,
    seconds: Annotated[int, typer.Option(help="of paced traffic")] = 60,
) -> None:
    """Measure the producer, the stream and the memory beside the running platform (about five minutes).

    The stream is measured in a database and a topic of its own; meanwhile the platform's own stream rests.

    Example: [bold]clickstream bench --events 1000000[/]
    """
    figures: dict[str, object] = {"memory_mb": _memory()}
    home = settings().home
    for name, arguments in (
        ("produce.py", []),
        ("stream.py", ["--events", str(events), "--seconds", str(seconds)]),
    ):
        console.print(f"benchmarks/{name} …")
        pinned = ["taskset", "-c", "0"] if name == "produce.py" else []
        figures |= _measured([*pinned, sys.executable, str(home / "benchmarks" / name), *arguments], home)
    table = Table(
        "figure", "measured", "goal", title=f"{os.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GiB"
    )
    for key, (title, goal) in FIGURES.items():
        if key in figures:
            value = figures[key]
            table.add_row(title, f"{value:,}" if isinstance(value, int | float) else str(value), goal)
    console.print(table)


def _measured(command: list[str], home: Path) -> dict[str, object]:
    done = subprocess.run(command, cwd=home, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise typer.Exit(done.returncode)
    figures: dict[str, object] = json.loads(done.stdout[done.stdout.index("{") :])
    return figures


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
