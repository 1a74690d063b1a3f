"""This machine: disk, memory, and clocks."""

from dataclasses import dataclass
from pathlib import Path

import psutil

from clickstream.doctor.finding import Finding
from clickstream.settings import Settings

_FREE_GB, _FREE_SHARE = 2.0, 0.05
_AVAILABLE_MB, _AVAILABLE_SHARE = 500, 0.05
_CLOCK_SECONDS = 2.0


@dataclass(frozen=True)
class Machine:
    """Free space where the state lies, memory that programs can still get, and the load of five minutes."""

    directory: Path
    free_gb: float
    disk_gb: float
    available_mb: float
    memory_mb: float
    load: float
    cores: int


def read(settings: Settings) -> Machine:
    """Ask the kernel."""
    state = settings.state_dir.resolve()
    directory = next(path for path in (state, *state.parents) if path.exists())
    disk, memory = psutil.disk_usage(str(directory)), psutil.virtual_memory()
    return Machine(
        directory,
        disk.free / 1e9,
        disk.total / 1e9,
        memory.available / 2**20,
        memory.total / 2**20,
        psutil.getloadavg()[1],
        psutil.cpu_count() or 1,
    )


def judge(machine: Machine) -> list[Finding]:
    """Disk and memory."""
    disk = f"{machine.free_gb:,.1f} of {machine.disk_gb:,.0f} GB free ({machine.directory})"
    memory = f"{machine.available_mb:,.0f} of {machine.memory_mb:,.0f} MB available"
    full = machine.free_gb < max(_FREE_GB, _FREE_SHARE * machine.disk_gb)
    short = machine.available_mb < max(_AVAILABLE_MB, _AVAILABLE_SHARE * machine.memory_mb)
    return [
        Finding(
            "disk",
            disk,
            "make room: shorten the topic (CLICKSTREAM_TOPIC_RETENTION_HOURS), run the DAG clickstream_maintenance, or"
            " `make clean` in an old checkout"
            if full
            else "",
        ),
        Finding(
            "memory",
            memory,
            "stop other programs (clickstream status shows each service's part), or lower"
            " CLICKSTREAM_POSTGRES_SHARED_BUFFERS and CLICKSTREAM_SPARK_DRIVER_MEMORY in .env"
            if short
            else "",
        ),
    ]


def judge_clocks(ahead: dict[str, float], newest_record: float | None) -> list[Finding]:
    """Clocks against ours: `ahead` in seconds by server; `newest_record`: how far a Kafka time is ahead of ours.

    An old newest record says nothing: there may have been no events.
    """
    wrong = {name: by for name, by in ahead.items() if abs(by) > _CLOCK_SECONDS}
    if newest_record is not None and newest_record > _CLOCK_SECONDS:
        wrong["Kafka's newest record"] = newest_record
    if not wrong:
        asked = ", ".join([*ahead, *(["Kafka"] if newest_record is not None else [])])
        return [Finding("clock", f"agrees with {asked}")] if asked else []
    found = ", ".join(
        f"{name} is {abs(by):.1f} s {'ahead of' if by > 0 else 'behind'} us" for name, by in wrong.items()
    )
    return [Finding("clock", found, "let every machine follow a time server (timedatectl set-ntp true, or chrony)")]
