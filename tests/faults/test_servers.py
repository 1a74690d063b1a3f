"""The servers are killed, restarted and emptied while one job runs; it outlives all of it."""

import signal
import time
from pathlib import Path

import pytest

from clickstream.delivery import DeliveryIncomplete, ProducerOptions, Sender
from clickstream.stopping import StopFlag
from waiting import wait_until

from .story import TABLE, Record, Story
from .test_driver import EVENTS

DOWN_SECONDS = 60


@pytest.mark.short
def test_redis_killed(story: Story, record_property: Record) -> None:
    """Events are stored while it is away."""
    job = story.running()
    story.world.redis.end(signal.SIGKILL)
    story.begin()
    story.produce()
    wait_until(story.caught_up, "commits without Redis", alive=job.running)
    story.world.redis.start()
    assert story.redis.dbsize() == 0 or story.redis.get("live:as_of")
    story.settle(record_property)
    assert job.running()


@pytest.mark.short
def test_redis_flushed(story: Story, record_property: Record) -> None:
    job = story.running()
    story.redis.flushall()
    story.begin()
    story.produce()
    story.settle(record_property)
    assert job.running()


@pytest.mark.short
def test_postgres_killed_mid_batch(story: Story, record_property: Record) -> None:
    """By SIGQUIT, its immediate shutdown: the slice's transaction is open, and is recovered from the log."""
    job = story.running()
    with story.held(EVENTS):
        story.produce()
        story.wait_for_worker(TABLE)
        story.world.postgres.end(signal.SIGQUIT)
        story.begin()
    story.world.postgres.start()
    story.settle(record_property)
    assert job.running()


def test_postgres_down_for_a_minute(story: Story, record_property: Record) -> None:
    job = story.running()
    story.world.postgres.end(signal.SIGINT)
    story.begin()
    story.produce()
    until = time.monotonic() + DOWN_SECONDS
    while time.monotonic() < until:
        assert job.running()
        time.sleep(1)
    story.world.postgres.start()
    story.settle(record_property, "of which a minute is the fault")
    assert job.running()


@pytest.mark.short
def test_broker_killed_while_producing(story: Story, record_property: Record, tmp_path: Path) -> None:
    """The platform's own producer waits for the broker, or gives up early and sends the rest from its spool."""
    story.running()
    patient = bool(story.random.getrandbits(1))
    options = ProducerOptions(delivery_timeout_ms=120_000 if patient else 5_000, linger_ms=5)
    records = [(record.key, record.value) for record in story.traffic.good(3_000)]
    connection, never = {"bootstrap.servers": story.topic.bootstrap}, StopFlag()
    with Sender(connection, story.topic.name, tmp_path, options) as sender:
        for at in range(0, len(records), 50):
            if at == 1_500:
                wait_until(lambda: sender.wait(0.05) or sender.report().acknowledged > 0, "an acknowledgement", 30)
                story.world.kafka.end(signal.SIGKILL)
                story.begin()
            sender.send(records[at : at + 50])
            sender.wait(0.01)
        if patient:
            story.world.kafka.start()
        try:
            sender.settle(never)
            spooled = 0
        except DeliveryIncomplete as incomplete:
            spooled = incomplete.report.spooled
    if not patient:
        story.world.kafka.start()
        with Sender(connection, story.topic.name, tmp_path, ProducerOptions()) as sender:
            sender.send_spool(never)
            sender.settle(never)
    assert spooled == 0 if patient else 0 < spooled < len(records)
    assert {value for _, value in records} <= {record.value for record in story.topic.records()}
    story.recover(record_property, f"{spooled} records spooled and sent later" if spooled else "the producer waited")
