"""Java programs and libraries from Maven Central, fetched by the Ivy that PySpark's wheel carries.

Standard library only: the bootstrap calls it before any of our packages can be imported.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
# What is fetched: one Ivy file with pinned versions each.
KAFKA = HERE / "kafka.ivy.xml"
SPARK = HERE / "spark.ivy.xml"


class JarsError(RuntimeError):
    """Ivy could not fetch; the message has its last words and the mend."""


def ivy_jar(site_packages: Path) -> Path:
    """Ivy's jar inside an installed PySpark.

    Raises:
        JarsError: when PySpark is not installed there.
    """
    found = sorted((site_packages / "pyspark" / "jars").glob("ivy-*.jar"))
    if not found:
        raise JarsError(f"no Ivy in {site_packages}/pyspark/jars: run make setup")
    return found[-1]


def fetch(wanted: Path, into: Path, ivy: Path, cache: Path) -> bool:
    """Bring all jars that the Ivy file `wanted` names, with their dependencies, into the directory `into`.

    Returns:
        False when they were there already (a stamp holds the hash of `wanted`).

    Raises:
        JarsError: when something cannot be fetched; `into` is left as it was.
    """
    if is_fetched(wanted, into):
        return False
    unfinished = into.with_name(f"{into.name}.{os.getpid()}.new")
    done = subprocess.run(
        [
            java(), "-cp", str(ivy), "org.apache.ivy.Main", "-ivy", str(wanted), "-confs", "default",
            "-types", "jar", "bundle", "-cache", str(cache), "-retrieve", f"{unfinished}/[artifact]-[revision].[ext]",
        ],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        said = "\n".join(line for line in done.stdout.splitlines() if line.strip())[-1500:]
        raise JarsError(
            f"cannot fetch the jars of {wanted.name} from Maven Central. Check the network and any proxy "
            f"(JAVA_TOOL_OPTIONS=-Dhttps.proxyHost=… -Dhttps.proxyPort=…), then run again. Ivy said:\n{said}"
        )
    (unfinished / ".stamp").write_text(_identity(wanted))
    shutil.rmtree(into, ignore_errors=True)
    unfinished.rename(into)
    return True


def is_fetched(wanted: Path, into: Path) -> bool:
    """Does `into` hold what the Ivy file `wanted` names?"""
    stamp = into / ".stamp"
    return stamp.exists() and stamp.read_text() == _identity(wanted)


def java() -> str:
    """The java program: JAVA_HOME's, else the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        return str(Path(home) / "bin" / "java")
    return shutil.which("java") or "java"


def _identity(wanted: Path) -> str:
    return hashlib.sha256(wanted.read_bytes()).hexdigest()
