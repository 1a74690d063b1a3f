"""spark-submit on this machine, outside Airflow: for tests and benchmarks."""

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar


class SparkJob:
    """A job of `spark_jobs/` under spark-submit with two cores, in a session of its own.

    `root` is the checkout, `jars` a directory of further jars, `environment` what the job reads beside the
    caller's, `arguments` are the job's own; its output goes to `log`. `niceness`: 0 to 19, the lowest priority.
    `java_options`: of every job's JVM.
    """

    java_options: ClassVar[str] = "-XX:+UseSerialGC"

    def __init__(
        self,
        root: Path,
        job: str,
        jars: Path,
        environment: Mapping[str, str],
        log: Path,
        arguments: Sequence[str] = (),
        cores: int = 2,
        niceness: int = 0,
    ) -> None:
        self.log = log
        conf = {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.driver.extraClassPath": f"{jars}/*",
            "spark.driver.extraJavaOptions": self.java_options,
        }
        command = [
            *(["nice", "-n", str(niceness)] if niceness else []),
            str(Path(sysconfig.get_path("scripts")) / "spark-submit"),
            "--master", f"local[{cores}]", "--driver-memory", "1g",
            "--properties-file", str(root / "spark_jobs" / "spark-defaults.conf"),
            *[part for name, value in conf.items() for part in ("--conf", f"{name}={value}")],
            str(root / "spark_jobs" / job), *arguments,
        ]  # fmt: skip
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "PYSPARK_PYTHON": sys.executable, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def running(self) -> bool:
        """Whether spark-submit runs."""
        return self.process.poll() is None

    def stop(self, seconds: float = 60) -> int:
        """Ask it to end and give its exit code. A JVM that SIGTERM ends says 143, however cleanly."""
        if self.running():
            os.killpg(self.process.pid, signal.SIGTERM)
        return self.process.wait(timeout=seconds)

    def kill(self) -> None:
        """SIGKILL the JVM alone: its driver and workers must find out by themselves."""
        self.process.kill()
        self.process.wait(timeout=60)

    def close(self) -> None:
        """Leave nothing behind, whatever state it is in."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=60)
