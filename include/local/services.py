"""What supervisord watches, and its configuration file."""

import shlex
from dataclasses import dataclass, field

from local.environment import common
from local.layout import Layout
from local.server import LOOPBACK
from local.servers import Servers
from local.supervised import MARK, pid_file, socket_file

SERVERS = ("postgres", "redis", "kafka")
AIRFLOW = ("airflow-api-server", "airflow-scheduler", "airflow-dag-processor")
SUPERSET = "superset"
NAMES = (*SERVERS, *AIRFLOW, SUPERSET)


@dataclass(frozen=True)
class Service:
    """A program that is started again whenever it ends."""

    name: str
    command: list[str]
    stop_signal: str = "TERM"
    stop_seconds: int = 20
    # A stop goes to the whole process group, where the program does not itself stop its children.
    stop_group: bool = False
    environment: dict[str, str] = field(default_factory=dict)


def services(layout: Layout, servers: Servers) -> list[Service]:
    """All services in the order of their start."""
    airflow = str(layout.programs / "airflow")
    gunicorn = [
        "gunicorn", "--config", "python:clickstream_superset.web",
        "--bind", f"{LOOPBACK}:{layout.ports['SUPERSET']}", "superset.app:create_app()",
    ]  # fmt: skip
    return [
        *(
            Service(
                server.name,
                server.command(),
                server.stop_signal.name.removeprefix("SIG"),
                stop_seconds=60,
                environment=server.environment(),
            )
            for server in (servers.postgres, servers.redis, servers.kafka)
        ),
        Service("airflow-api-server", [airflow, "api-server"], stop_group=True),
        # Without its log server: the API server reads the same files, and it would listen on every interface.
        Service("airflow-scheduler", [airflow, "scheduler", "--skip-serve-logs"], stop_seconds=60, stop_group=True),
        Service("airflow-dag-processor", [airflow, "dag-processor"], stop_group=True),
        Service(SUPERSET, [str(layout.programs / "superset-env"), *gunicorn], stop_group=True),
    ]


def supervisor_config(layout: Layout, servers: Servers) -> str:
    """supervisord's configuration: services start when `clickstream up` says so, in its order."""
    socket, run = socket_file(layout), layout.state / "run"
    sections = [
        {
            "": "unix_http_server",
            "file": str(socket),
            "chmod": "0600",
        },
        {
            "": "supervisord",
            "logfile": str(layout.logs / "supervisord.log"),
            "logfile_maxbytes": "5MB",
            "logfile_backups": "2",
            "pidfile": str(pid_file(layout)),
            "directory": str(run),
            "childlogdir": str(layout.logs),
            "umask": "077",
            "minfds": "4096",
            # Every process of the platform carries the mark, so that none is overlooked (see `local.processes`).
            "environment": _environment({**common(), MARK: str(layout.state)}),
        },
        {"": "rpcinterface:supervisor", "supervisor.rpcinterface_factory": RPC_FACTORY},
        {"": "supervisorctl", "serverurl": f"unix://{socket}"},
    ]
    sections += [_program(layout, service) for service in services(layout, servers)]
    return "\n".join(_section(section) for section in sections)


RPC_FACTORY = "supervisor.rpcinterface:make_main_rpcinterface"


def _program(layout: Layout, service: Service) -> dict[str, str]:
    options = {
        "": f"program:{service.name}",
        "command": shlex.join(service.command),
        "autostart": "false",
        "autorestart": "true",
        "startsecs": "3",
        # Retries wait 1, 2, 3 … s: a service whose database comes back after a minute still finds it.
        "startretries": "30",
        "stopsignal": service.stop_signal,
        "stopwaitsecs": str(service.stop_seconds),
        "stopasgroup": str(service.stop_group).lower(),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": str(layout.logs / f"{service.name}.log"),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": "2",
    }
    if service.environment:
        options["environment"] = _environment(service.environment)
    return options


def _environment(values: dict[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in values.items())


def _section(options: dict[str, str]) -> str:
    """A percent sign in a path would be an expression."""
    lines = [f"{name}={value.replace('%', '%%')}" for name, value in options.items() if name]
    return "\n".join([f"[{options['']}]", *lines, ""])
