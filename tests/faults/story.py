"""One seed's story: a topic, a database and a Redis that live through all faults, and the jobs that come and go."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from local.kafka import Kafka
from local.redis import Redis
from local.spark import SparkJob
from waiting import wait_until

from . import invariants, processes
from .database import Warehouse
from .servers import AuditedPostgres, Restartable
from .topic import Topic
from .traffic import Traffic

ROOT = Path(__file__).parents[2]
RECORDS = 800  # a fault meets half to all of so many
RECOVERY_SECONDS = 240
LIVE_SECONDS = 10  # I4
ROW, TABLE = ("transactionid", "tuple"), ("relation",)
Record = Callable[[str, object], None]


@dataclass(frozen=True)
class World:
    """Servers of the matrix's own."""

    postgres: Restartable[AuditedPostgres]
    redis: Restartable[Redis]
    kafka: Restartable[Kafka]
    jars: Path
    directory: Path


class Story:
    """Traffic by a seed through one topic into one database; `job` is the one that was started last."""

    def __init__(self, world: World, seed: int) -> None:
        name = f"faults_{seed}"
        self.world, self.traffic = world, Traffic(seed)
        self.random = self.traffic.random
        self.began = time.monotonic()
        self.state = world.directory / name
        self.state.mkdir()
        self.warehouse = Warehouse(world.postgres.server, name, ROOT / "sql" / "schema")
        self.topic = Topic(world.kafka.server.bootstrap(), name)
        self.topic.create()
        self.redis = redis.Redis.from_url(world.redis.server.url(), decode_responses=True, socket_timeout=5)
        self.redis.flushall()
        self._jobs: list[SparkJob] = []
        self._parent: subprocess.Popen[bytes] | None = None
        self._child: int | None = None

    @property
    def job(self) -> SparkJob:
        """The job that was started last."""
        return self._jobs[-1]

    @property
    def checkpoint(self) -> Path:
        """The checkpoint of the present run."""
        [checkpoint] = (self.state / "checkpoints" / "stream").iterdir()
        return checkpoint

    @property
    def environment(self) -> dict[str, str]:
        """What a job is told."""
        values = {
            "KAFKA_BOOTSTRAP": self.topic.bootstrap,
            "TOPIC": self.topic.name,
            "POSTGRES_WRITER": self.warehouse.writer,
            "REDIS_URL": self.world.redis.server.url(),
            "HOME": str(ROOT),
            "STATE_DIR": str(self.state),
        }
        return {f"CLICKSTREAM_{name}": value for name, value in values.items()}

    def log(self) -> Path:
        """A file for the next job's output."""
        return self.state / f"stream-{len(list(self.state.glob('stream-*.log')))}.log"

    def start(self) -> SparkJob:
        """Submit the streaming job."""
        self._jobs.append(SparkJob(ROOT, "stream.py", self.world.jars, self.environment, self.log()))
        return self.job

    def running(self) -> SparkJob:
        """A job that has applied all there is and waits for more: the present one, or a new one."""
        if not self._jobs or not self.job.running():
            epoch, job = self.warehouse.epoch(), self.start()
            self.produce(50)
            wait_until(lambda: self.warehouse.epoch() > epoch, "the new job's lease", RECOVERY_SECONDS, job.running)
        wait_until(self.caught_up, "a job at the topic's end", RECOVERY_SECONDS, self.job.running)
        wait_until(lambda: self.open_batch() is None, "Spark's commit log", RECOVERY_SECONDS, self.job.running)
        return self.job

    def open_batch(self) -> int | None:
        """Spark's last planned batch while its commit log lacks it; 0 before the first."""
        planned, done = (_batches(self.checkpoint / log) for log in ("offsets", "commits"))
        last = max(planned, default=0)
        return None if last in done else last

    def produce(self, count: int = 0) -> None:
        """Produce records of the seed's traffic and wait for all acknowledgements."""
        self.topic.send(self.traffic.records(count or self.random.randint(RECORDS // 2, RECORDS)))

    def caught_up(self) -> bool:
        """Whether the ledger is at the topic's end."""
        return self.warehouse.next_offsets(self.topic.name) == self.topic.ends()

    @contextmanager
    def held(self, lock: str) -> Iterator[Callable[[], None]]:
        """Hold a lock that the job's workers need; gives the function that lets it go early."""
        connection = self.warehouse.admin()
        connection.execute(lock)
        try:
            yield connection.close
        finally:
            with suppress(psycopg.Error):
                connection.close()

    def start_as_child(self) -> int:
        """Submit the job by a process of its own, as Airflow does by a task's; gives the job's session."""
        code = (
            "import sys; from pathlib import Path; from local.spark import SparkJob\n"
            "job = SparkJob(*[kind(word) for kind, word in zip((Path, str, Path, lambda _: {}, Path), sys.argv[1:])])\n"
            "print(job.process.pid, flush=True); job.process.wait()"
        )
        words = [str(ROOT), "stream.py", str(self.world.jars), "", str(self.log())]
        self._parent = subprocess.Popen(
            [sys.executable, "-c", code, *words], env={**os.environ, **self.environment}, stdout=subprocess.PIPE
        )
        assert self._parent.stdout is not None
        self._child = int(self._parent.stdout.readline())
        return self._child

    def kill_parent(self) -> None:
        """SIGKILL the process that `start_as_child` made."""
        assert self._parent is not None
        self.begin()
        self._parent.kill()
        self._parent.communicate()

    def wait_for_worker(self, events: tuple[str, ...]) -> None:
        """Until a worker waits for the lock of `held`."""
        wait_until(lambda: self.warehouse.waiting(*events), f"a worker that waits: {events}", 120, self.job.running)

    def kill(self, jvm_only: bool = False) -> None:
        """SIGKILL: every process of the job, or spark-submit's JVM alone, which orphans driver and workers."""
        job = self.job
        found = processes.members(job.process.pid)
        self.begin()
        processes.send(signal.SIGKILL, [p for p in found if p.pid == job.process.pid or not jvm_only])
        job.process.wait(60)

    def begin(self) -> None:
        """The fault is there: seconds to recovery are counted from now."""
        self.began = time.monotonic()

    def settle(self, record: Record, note: str = "") -> None:
        """Wait for the recovery, check every invariant, record a row of the table."""
        wait_until(self.caught_up, "the ledger at the topic's end", RECOVERY_SECONDS, self.job.running)
        with self.warehouse.reader() as reader:
            wait_until(lambda: invariants.live(reader, self.redis), "I4: Redis = PostgreSQL", LIVE_SECONDS)
            seconds = time.monotonic() - self.began
            assert self.topic.missing() == [], "I1: acknowledged, but not there"
            checked = invariants.check(reader, self.topic.records(), self.traffic.reasons)
        self.report(record, f"{seconds:.0f}", sorted([*checked, "I4"]), note)

    def recover(self, record: Record, note: str = "") -> None:
        """As Airflow does: start the next job when the present one has ended. Then `settle`."""

        def goes_on() -> bool:
            if not self.job.running():
                self.start()
            return self.caught_up()

        wait_until(goes_on, "the ledger at the topic's end", RECOVERY_SECONDS)
        if not self.job.running():
            self.start()
        self.settle(record, note)

    def report(self, record: Record, seconds: str, checked: list[str], note: str) -> None:
        """A row of the table."""
        events = len(self.topic.records())
        for name, value in {"recovery": seconds, "events": events, "checked": checked, "note": note}.items():
            record(name, value)

    def orphans_end(self, session: int, seconds: float = 60) -> None:
        """Whatever is left of a job ends by itself."""
        wait_until(lambda: not processes.members(session), "the end of the orphans", seconds)

    def close(self) -> None:
        """Leave no process behind."""
        if self._child is not None:
            processes.send(signal.SIGKILL, processes.members(self._child))
        for job in self._jobs:
            processes.send(signal.SIGKILL, processes.members(job.process.pid))
            job.close()
        self.redis.close()


def _batches(log: Path) -> set[int]:
    """The batch numbers in one of Spark's checkpoint logs."""
    return {int(path.name) for path in log.iterdir() if path.name.isdigit()} if log.exists() else set()
