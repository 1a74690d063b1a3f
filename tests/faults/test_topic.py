"""A topic that is no longer what the ledger knows: the job refuses, says what is the matter, and changes nothing."""

from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from waiting import wait_until

from .story import Record, Story

# The last chapters of a story: its topic is not whole any more.
EVERYTHING = """
select (select count(*) from events), (select count(*) from dead_letters), (select sum(events) from sessions),
    (select sum(events) from traffic_minute), (select sum(next_offset) from stream_offsets),
    (select count(*) from stream_slices)
"""


def refused(story: Story, record: Record, *said: str) -> None:
    """Start a job: it ends with exit code 1 and says so; the warehouse stays as it is."""
    before = story.warehouse.rows(EVERYTHING)
    story.begin()
    job = story.start()
    wait_until(lambda: not job.running(), "the refusal", 120)
    assert job.process.returncode == 1
    log = job.log.read_text()
    for words in said:
        assert words in log, f"not said: {words}"
    assert story.warehouse.rows(EVERYTHING) == before
    story.report(record, "refused", ["nothing changed"], said[-1])


@pytest.mark.short
def test_offsets_aged_out(story: Story, record_property: Record) -> None:
    """Records are deleted before they were applied."""
    story.running().stop()
    ledger = story.warehouse.next_offsets(story.topic.name)
    story.produce()
    ends: dict[int, Any] = story.topic.ends()
    first = {partition: ledger[partition] + (ends[partition] - ledger[partition]) // 2 for partition in ledger}
    admin = AdminClient({"bootstrap.servers": story.topic.bootstrap})
    for future in admin.delete_records([TopicPartition(story.topic.name, p, at) for p, at in first.items()]).values():
        future.result(30)
    lost = f"offsets {ledger[0]} to {first[0] - 1} were deleted by retention"
    refused(story, record_property, f"topic {story.topic.name}, partition 0", lost)


@pytest.mark.short
def test_topic_recreated(story: Story, record_property: Record) -> None:
    if story.job.running():
        story.running().stop()
    story.topic.delete()
    story.topic.create()
    refused(story, record_property, f"topic {story.topic.name}", "the topic was recreated")
