"""`python -m local.configure`: secrets, environment files, wrappers and the supervisor's list. Idempotent."""

import json
import shlex
import sys
from pathlib import Path

from local import environment, passwords
from local.files import write_private, write_program
from local.layout import Layout, load
from local.server import LOOPBACK
from local.servers import Servers
from local.services import supervisor_config
from local.supervised import config_file

ROOT = Path(__file__).resolve().parents[2]

# What a shell needs to run our programs, whatever directory it is in.
_WRAPPER = """\
#!/bin/sh
# Written by `make setup`. Works from any shell and directory.
[ -r {environment} ] && . {environment}
PATH={programs}:{venv}/bin:$PATH; export PATH
exec {program} "$@"
"""

_SPARK_LOG = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{yyyy-MM-dd HH:mm:ss} %p %c{1}: %m%n%ex
# Says at each start what everybody knows.
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
"""


def configure(layout: Layout) -> Servers:
    """Write everything that is derived from `.env` and the secrets; returns the servers so configured."""
    secrets = passwords.ensure(layout.secrets)
    servers = Servers.of(layout, secrets)
    everything = {
        **environment.common(),
        **environment.spark(layout),
        **environment.superset(layout, secrets, servers),
        **environment.airflow(layout, secrets, servers),
        **environment.clickstream(layout, secrets, servers),
        **layout.for_services(),
    }
    write_private(layout.state / "env", environment.as_shell(everything))
    for_superset = {**environment.common(), **environment.superset(layout, secrets, servers)}
    given = {name: value for name, value in layout.for_services().items() if name.startswith("SUPERSET_")}
    write_private(layout.state / "superset.env", environment.as_shell(for_superset | given))
    write_private(
        layout.state / "airflow" / "passwords.json",
        json.dumps({environment.AIRFLOW_USER: secrets["airflow_admin"]}) + "\n",
    )
    for directory in ("log/airflow", "superset", "run"):
        (layout.state / directory).mkdir(parents=True, exist_ok=True)
    _spark(layout)
    _wrappers(layout)
    write_private(config_file(layout), supervisor_config(layout, servers))
    return servers


def _spark(layout: Layout) -> None:
    memory = layout.own("CLICKSTREAM_SPARK_DRIVER_MEMORY")
    options = {
        "spark.driver.bindAddress": LOOPBACK,
        "spark.driver.host": LOOPBACK,
        "spark.driver.extraClassPath": f"{layout.spark_jars}/*",
        "spark.driver.memory": memory,
        # One heap for driver and executor here; Java gives freed memory back sooner with the serial collector.
        "spark.driver.extraJavaOptions": "-XX:+UseSerialGC",
        "spark.local.dir": str(layout.state / "spark" / "tmp"),
        "spark.sql.warehouse.dir": str(layout.state / "spark" / "warehouse"),
        "spark.ui.port": str(layout.ports["SPARK_UI"]),
        "spark.ui.showConsoleProgress": "false",
    }
    directory = layout.state / "spark"
    (directory / "tmp").mkdir(parents=True, exist_ok=True)
    (directory / "spark-defaults.conf").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    (directory / "log4j2.properties").write_text(_SPARK_LOG)


def _wrappers(layout: Layout) -> None:
    quoted = {
        "programs": shlex.quote(str(layout.programs)),
        "environment": shlex.quote(str(layout.state / "env")),
        "venv": shlex.quote(str(layout.venv)),
    }
    for name in ("airflow", "clickstream"):
        program = shlex.quote(str(layout.venv / "bin" / name))
        write_program(layout.programs / name, _WRAPPER.format(**quoted, program=program))
    # `superset-env PROGRAM …`: a program of Superset's environment, which knows no other secrets than its own.
    quoted["environment"] = shlex.quote(str(layout.state / "superset.env"))
    quoted["venv"] = shlex.quote(str(layout.superset_venv))
    write_program(layout.programs / "superset-env", _WRAPPER.format(**quoted, program="env"))


if __name__ == "__main__":
    configure(load(ROOT))
    sys.exit(0)
