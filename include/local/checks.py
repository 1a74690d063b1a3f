"""What must hold before anything is set up or started; each problem says how to mend it. Standard library only."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path

from local.jars import java
from local.layout import PORT_PREFIX, Layout
from local.server import LOOPBACK

JAVA_VERSIONS = (17, 21)
JAVA_PACKAGE = "openjdk-17-jre-headless"
# Both environments (3.2 GB), their packages while they are unpacked, the databases' first gigabytes.
NEEDED_DISK_GB = 8.0


class ProblemError(RuntimeError):
    """Something of the machine is not as needed; the message says what and how to mend it."""


def check_java() -> str:
    """The version of the java program.

    Raises:
        ProblemError: there is none, or it is one that Spark cannot use.
    """
    mend = (
        f"Install Java 17, on Debian and Ubuntu: sudo apt-get install {JAVA_PACKAGE}\n"
        "(as root there: make up INSTALL_JAVA=1). With several Javas, point JAVA_HOME at 17."
    )
    try:
        said = subprocess.run([java(), "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError) as error:
        raise ProblemError(f"Java is missing ({error}). {mend}") from error
    version = java_version(said)
    if version not in JAVA_VERSIONS:
        found = f"Java {version}" if version else f"an unknown Java ({said.splitlines()[:1]})"
        raise ProblemError(f"{java()} is {found}; Spark and Kafka need {JAVA_VERSIONS[0]}. {mend}")
    return str(version)


def java_version(said: str) -> int | None:
    """The major version in the output of `java -version` (1.8 is 8)."""
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else None


def install_java() -> None:
    """Install Java by apt; only on Debian's family and as root.

    Raises:
        ProblemError: it cannot be done here.
    """
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ProblemError(f"INSTALL_JAVA=1 works as root on Debian and Ubuntu only; install {JAVA_PACKAGE} yourself")
    apt_install(JAVA_PACKAGE)


def apt_install(package: str) -> None:
    """Install a Debian package as root.

    Raises:
        ProblemError: apt-get failed; its last words are in the message.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], ["apt-get", "install", "--yes", "--no-install-recommends", package]):
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise ProblemError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-1500:]}")


def check_disk(directory: Path, needed_gb: float = NEEDED_DISK_GB) -> float:
    """Free space in GB where `directory` lies or will lie.

    Raises:
        ProblemError: less than `needed_gb`.
    """
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    if free < needed_gb:
        raise ProblemError(
            f"{existing} has {free:.1f} GB free, {needed_gb:.0f} GB are needed: make room (make clean in an old "
            "checkout, uv cache clean) or clone to a larger disk"
        )
    return free


def check_ports(layout: Layout, names: Iterable[str] | None = None) -> None:
    """All ports of the platform (or those `names`) are free on loopback.

    Raises:
        ProblemError: names every one that is taken.
    """
    taken = [name for name in names or layout.ports if not _is_free(layout.ports[name])]
    if taken:
        lines = "\n".join(f"  {PORT_PREFIX}{name}={layout.ports[name]}" for name in taken)
        raise ProblemError(
            f"taken by another program on {LOOPBACK}:\n{lines}\n"
            "Stop it (`ss -ltnp` shows which), or choose other ports in .env (see .env.example)."
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what just closed is no obstacle
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
