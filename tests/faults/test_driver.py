"""The driver is killed by SIGKILL: all of its processes, or its JVM alone, so that driver and workers are orphans."""

import signal
import time
from pathlib import Path

import pytest

from waiting import wait_until

from . import processes
from .story import ROW, TABLE, Record, Story

LEDGER = "select from stream_offsets for update"
EVENTS = "lock table events in share mode"


def kill(story: Story) -> str:
    """Kill the job one way or the other; which."""
    jvm_only = bool(story.random.getrandbits(1))
    story.kill(jvm_only)
    return "JVM alone killed" if jvm_only else "all processes killed"


def start_next(story: Story, record: Record, note: str) -> None:
    """The next job starts at once, and the killed one's processes end whether they were killed or not."""
    session = story.job.process.pid
    story.start()
    story.produce(100)
    story.settle(record, note)
    story.orphans_end(session)


def test_driver_killed_before_the_transaction(story: Story, record_property: Record) -> None:
    story.running()
    with story.held(LEDGER):
        story.produce()
        story.wait_for_worker(ROW)
        note = kill(story)
    start_next(story, record_property, note)


@pytest.mark.short
def test_driver_killed_mid_copy(story: Story, record_property: Record) -> None:
    """The ids of the slice are in, its events wait at their table."""
    story.running()
    with story.held(EVENTS):
        story.produce()
        story.wait_for_worker(TABLE)
        note = kill(story)
    start_next(story, record_property, note)


@pytest.mark.short
def test_driver_killed_after_the_commit(story: Story, record_property: Record) -> None:
    """The JVM is stopped while the worker commits, so that Spark cannot know."""
    job = story.running()
    before = story.warehouse.next_offsets(story.topic.name)
    with story.held(LEDGER) as release:
        story.produce()
        story.wait_for_worker(ROW)
        job.process.send_signal(signal.SIGSTOP)
        release()
        wait_until(lambda: story.warehouse.next_offsets(story.topic.name) != before, "a commit")
        note = kill(story)
    start_next(story, record_property, note)


def test_driver_killed_before_redis(story: Story, record_property: Record) -> None:
    story.running()
    redis, shown = story.world.redis, story.redis.get("live:as_of")
    assert shown is not None
    redis.signal(signal.SIGSTOP)
    try:
        story.produce()
        wait_until(story.caught_up, "the commit", alive=story.job.running)
        note = kill(story)
    finally:
        redis.signal(signal.SIGCONT)
    start_next(story, record_property, note)


def test_driver_killed_mid_checkpoint(story: Story, record_property: Record) -> None:
    """At the moment when a file of a commit appears, be it the temporary one."""
    story.running()
    commits = story.checkpoint / "commits"
    before = set(commits.iterdir())
    story.produce()
    appeared = _appears(commits, before)
    story.kill()
    start_next(story, record_property, f"{appeared} was there, all processes killed")


def _appears(directory: Path, before: set[Path]) -> str:
    until = time.monotonic() + 120
    while not (fresh := set(directory.iterdir()) - before):
        assert time.monotonic() < until, f"nothing new in {directory}"
    name = min(path.name for path in fresh)
    return "a temporary file" if name.startswith(".") else "the commit file"


def test_driver_killed_before_sparks_commit_log(story: Story, record_property: Record) -> None:
    """The Python driver is stopped, so that Spark ends its job but never writes the batch into its commit log."""
    job = story.running()
    before = story.warehouse.next_offsets(story.topic.name)
    with story.held(LEDGER) as release:
        story.produce()
        story.wait_for_worker(ROW)
        driver = processes.driver(job)
        driver.suspend()
        release()
        batch = story.open_batch()
        wait_until(lambda: story.warehouse.next_offsets(story.topic.name) != before, "a commit")
        wait_until(lambda: story.warehouse.transactions() == 0, "all commits")
        assert batch is not None
        assert story.open_batch() == batch
        note = kill(story)
        processes.send(signal.SIGCONT, [driver])  # an orphan that is stopped cannot end
    start_next(story, record_property, f"{note} at batch {batch}")


def test_driver_killed_at_any_moment(story: Story, record_property: Record) -> None:
    """While events flow; the seed chooses when."""
    story.running()
    until = time.monotonic() + story.random.uniform(0.5, 4)
    while time.monotonic() < until:
        story.produce(40)
    note = kill(story)
    start_next(story, record_property, note)


@pytest.mark.short
def test_driver_orphaned(story: Story, record_property: Record) -> None:
    """Whoever started spark-submit is killed, as an Airflow task may be, and nobody follows: the driver ends itself."""
    story.running().stop()
    session = story.start_as_child()
    story.produce()
    wait_until(story.caught_up, "the ledger at the topic's end")
    assert processes.members(session)
    story.kill_parent()
    story.orphans_end(session)
    ended = time.monotonic() - story.began
    story.produce()
    story.start()
    story.settle(record_property, f"ended by itself after {ended:.0f} s")
