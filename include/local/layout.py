"""Where things lie below the checkout, and what `.env` says. Standard library only.

Everything that is made, fetched or stored lies in `.local/`; `.env` holds what a user may choose.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

PORT_PREFIX = "CLICKSTREAM_PORT_"
DEFAULT_PORTS = {
    "AIRFLOW": 8080,
    "SUPERSET": 8088,
    "KAFKA": 9092,
    "KAFKA_CONTROLLER": 9093,
    "POSTGRES": 5432,
    "REDIS": 6379,
    "SPARK_UI": 4040,
}
# What of `.env` is meant for this package and not for the services.
OWN_SETTINGS = {
    "CLICKSTREAM_POSTGRES_SHARED_BUFFERS": "1GB",
    "CLICKSTREAM_KAFKA_HEAP_MB": "384",
    "CLICKSTREAM_SPARK_DRIVER_MEMORY": "1g",
}
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


class SettingsError(ValueError):
    """A line of `.env` cannot be used; the message names file, line and mend."""


@dataclass(frozen=True)
class Layout:
    """One checkout: the directories below `.local/`, the chosen ports and the other settings of `.env`."""

    root: Path
    ports: dict[str, int]
    values: dict[str, str]

    @property
    def state(self) -> Path:
        """All that is made here."""
        return self.root / ".local"

    @property
    def venv(self) -> Path:
        """The environment of Airflow, Spark and the library."""
        return self.state / "venv"

    @property
    def superset_venv(self) -> Path:
        """Superset's environment."""
        return self.state / "superset-venv"

    @property
    def logs(self) -> Path:
        """One file a service, and `airflow/` with a file a task."""
        return self.state / "log"

    @property
    def secrets(self) -> Path:
        """One file a password, mode 0600."""
        return self.state / "secrets"

    @property
    def programs(self) -> Path:
        """The wrappers that work from any shell."""
        return self.state / "bin"

    @property
    def site_packages(self) -> Path:
        """Where `venv` has its packages."""
        return self.venv / "lib" / "python3.11" / "site-packages"

    @property
    def kafka_jars(self) -> Path:
        """The broker's jars."""
        return self.state / "kafka" / "jars"

    @property
    def spark_jars(self) -> Path:
        """Spark's further jars."""
        return self.state / "jars"

    def own(self, name: str) -> str:
        """One of OWN_SETTINGS."""
        return self.values.get(name, OWN_SETTINGS[name])

    def for_services(self) -> dict[str, str]:
        """What of `.env` every service gets as it is."""
        return {
            name: value
            for name, value in self.values.items()
            if name not in OWN_SETTINGS and not name.startswith(PORT_PREFIX)
        }


def load(root: Path) -> Layout:
    """Read `.env` of the checkout `root`; a variable of the environment wins over the file.

    Raises:
        SettingsError: a line is no setting, or a port is none, or is used twice.
    """
    file = root / ".env"
    values = parse(file.read_text(), str(file)) if file.exists() else {}
    own = {name: value for name, value in os.environ.items() if name.startswith(PORT_PREFIX) or name in OWN_SETTINGS}
    values |= own
    return Layout(root.resolve(), _ports(values), values)


def parse(text: str, name: str = ".env") -> dict[str, str]:
    """Lines of NAME=value; `#` starts a comment, quotes are taken off, nothing is expanded."""
    values = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise SettingsError(f"{name}, line {number}: expected NAME=value, got {line!r}")
        value = found[2].strip()
        if value[:1] in ("'", '"'):
            end = value.find(value[0], 1)
            if end < 0:
                raise SettingsError(f"{name}, line {number}: the quote of {found[1]} is not closed")
            value = value[1:end]
        else:
            value = re.split(r"\s+#", value, maxsplit=1)[0]
        values[found[1]] = value
    return values


def _ports(values: dict[str, str]) -> dict[str, int]:
    ports: dict[str, int] = {}
    known = {PORT_PREFIX + name for name in DEFAULT_PORTS}
    for name in values:
        if name.startswith(PORT_PREFIX) and name not in known:
            raise SettingsError(f"{name} is no setting; known: {', '.join(sorted(known))}")
    for name, default in DEFAULT_PORTS.items():
        value = values.get(PORT_PREFIX + name, str(default))
        if not value.isdecimal() or not 1 <= int(value) <= 65_535:
            raise SettingsError(f"{PORT_PREFIX}{name}={value} is no port: give a number from 1 to 65535 in .env")
        twin = next((other for other, port in ports.items() if port == int(value)), None)
        if twin is not None:
            raise SettingsError(f"{PORT_PREFIX}{name} and {PORT_PREFIX}{twin} are both {value}: change one in .env")
        ports[name] = int(value)
    return ports
