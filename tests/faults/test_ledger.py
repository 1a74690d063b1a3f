"""Checkpoints, leases and ledgers that are lost, doubled or turned back."""

import shutil
import signal
import subprocess
from datetime import UTC, datetime

import pytest
import redis

from clickstream.live import Live, Performance
from clickstream.settings import settings
from clickstream.warehouse.ledger import LeaseLostError
from waiting import wait_until

from . import processes
from .story import ROOT, TABLE, Record, Story
from .test_driver import EVENTS


@pytest.mark.short
def test_last_commit_file_deleted(story: Story, record_property: Record) -> None:
    """Of a running job's checkpoint."""
    story.running()
    commits = story.checkpoint / "commits"
    last = max((path for path in commits.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    last.unlink()
    story.begin()
    story.produce()
    story.recover(record_property)


def test_checkpoint_deleted_while_running(story: Story, record_property: Record) -> None:
    job = story.running()
    shutil.rmtree(story.checkpoint)
    story.begin()
    story.produce()
    story.recover(record_property, "the job went on" if story.job is job else "the next job went on")


def test_checkpoint_deleted_between_runs(story: Story, record_property: Record) -> None:
    story.running().stop()
    story.produce()
    shutil.rmtree(story.state / "checkpoints")
    story.begin()
    story.start()
    story.settle(record_property)


@pytest.mark.short
def test_two_drivers(story: Story, record_property: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """The older is stopped in the middle of a transaction, a successor runs, then the older goes on."""
    older = story.running()
    epoch = story.warehouse.epoch()
    with story.held(EVENTS):
        story.produce()
        story.wait_for_worker(TABLE)
        stopped = processes.members(older.process.pid)
        processes.send(signal.SIGSTOP, stopped)
        story.begin()
    story.start()
    wait_until(story.caught_up, "the successor's commit", alive=story.job.running)
    processes.send(signal.SIGCONT, stopped)
    story.produce()
    story.settle(record_property, f"the older driver, epoch {epoch}, ended by itself")
    story.orphans_end(older.process.pid)
    assert older.stop() != 0
    assert "no longer holds the lease" in older.log.read_text()
    _redis_refuses(story, epoch, monkeypatch)


def _redis_refuses(story: Story, epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a driver does that read PostgreSQL before it lost the lease, and writes Redis after."""
    monkeypatch.setenv("CLICKSTREAM_HOME", str(ROOT))
    settings.cache_clear()
    with story.warehouse.reader() as reader:
        stale = Live(reader, redis.Redis.from_url(story.world.redis.server.url()), epoch)
        with pytest.raises(LeaseLostError, match=f"epoch {epoch} may not publish"):
            stale.publish(Performance(-1, -1, {0: -1}, -1, {}, (-1, -1, -1)), datetime.now(UTC))
    settings.cache_clear()
    assert story.redis.hget("live:performance", "lag_events") != "-1"


@pytest.mark.short
def test_database_restored_to_an_earlier_state(story: Story, record_property: Record) -> None:
    """The running driver is ahead of the restored ledger: it refuses the gap, the next starts from the ledger."""
    job = story.running()
    postgres, data = story.world.postgres, story.world.postgres.server.data
    backup = data.with_name("backup")
    postgres.end(signal.SIGINT)
    subprocess.run(["cp", "--archive", data, backup], check=True)  # with its owner, who is not us when we are root
    postgres.start()
    epoch = story.warehouse.epoch()
    story.produce()
    wait_until(story.caught_up, "more in the ledger than in the backup", alive=job.running)
    postgres.end(signal.SIGINT)
    shutil.rmtree(data)
    backup.rename(data)
    story.begin()
    postgres.start()
    assert story.warehouse.epoch() == epoch
    story.produce()
    wait_until(lambda: not job.running(), "the end of the driver that is ahead of the ledger", 120)
    assert "OffsetGapError" in job.log.read_text()
    story.start()
    story.settle(record_property)
