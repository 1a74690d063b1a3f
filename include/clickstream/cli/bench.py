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
}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(bench)


def bench(
    events: Annotated[int, typer.Option(help="visitors' events to catch up with")] = 3_000_000,
    seconds: Annotated[int, typer.Option(help="of paced traffic, after a minute of warm-up")] = 300,
    rate: Annotated[int, typer.Option(help="paced records/s")] = 5_200,
) -> None:
    """Measure memory, producer, latency and catching up beside the running platform (about twenty minutes).

    The stream is measured in a database and a topic of its own, against a consumer written by hand and Bytewax, which
    must store the same; meanwhile the platform's own stream rests.

    Example: [bold]clickstream bench --events 1000000 --seconds 60[/]
    """
    figures: dict[str, object] = {"memory_mb": _memory()}
    home = settings().home
    figures |= json.loads(_output(home, ["taskset", "-c", "0"], "produce.py"))
    figures |= json.loads(_output(home, [], "latency.py", "--rate", str(rate), "--seconds", str(seconds)))
    table = Table(
        "figure", "measured", "goal", title=f"{os.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GiB"
    )
    for key, (title, goal) in FIGURES.items():
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
