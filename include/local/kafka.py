"""A Kafka broker (KRaft, broker and controller in one process) from its jars, on loopback."""

import base64
import signal
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient

from local.jars import java
from local.server import LOOPBACK

_CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=8388608
message.max.bytes=2097152
"""

_LOG = """\
<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="warn">
  <Appenders>
    <Console name="out"><PatternLayout pattern="%d{ISO8601} %p %m (%c{1})%n%xEx"/></Console>
  </Appenders>
  <Loggers>
    <Root level="warn"><AppenderRef ref="out"/></Root>
    <Logger name="kafka.server.KafkaRaftServer" level="info"/>
    <Logger name="org.apache.kafka.server" level="warn"/>
  </Loggers>
</Configuration>
"""


@dataclass(frozen=True)
class Kafka:
    """A broker with its configuration and log segments in `directory`, run from the jars in `jars`."""

    directory: Path
    jars: Path
    port: int
    controller_port: int
    heap_mb: int = 384
    name: str = "kafka"
    stop_signal: signal.Signals = signal.SIGTERM

    def prepare(self) -> None:
        """Write the configuration and format the storage once."""
        data = self.directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        self._config.write_text(
            _CONFIG.format(host=LOOPBACK, port=self.port, controller_port=self.controller_port, data=data)
        )
        (self.directory / "log4j2.xml").write_text(_LOG)
        if (data / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", "--cluster-id", f"x{cluster[1:]}", "--config", str(self._config)]
        done = subprocess.run(
            [*self._java(128), *tool], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"Kafka's storage in {data} cannot be formatted: {done.stdout}{done.stderr}")

    def command(self) -> list[str]:
        """The broker in the foreground."""
        return [*self._java(self.heap_mb), "kafka.Kafka", str(self._config)]

    def environment(self) -> dict[str, str]:
        """Few malloc arenas: each holds tens of MB that Java never uses."""
        return {"MALLOC_ARENA_MAX": "2"}

    def ready(self) -> None:
        """Ask for the cluster's metadata."""
        client = AdminClient({"bootstrap.servers": self.bootstrap(), "log_level": 0})
        client.list_topics(timeout=2)

    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def _config(self) -> Path:
        return self.directory / "server.properties"

    def _java(self, heap_mb: int) -> list[str]:
        return [
            java(), f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={self.directory / 'log4j2.xml'}", "-cp", f"{self.jars}/*",
        ]  # fmt: skip
