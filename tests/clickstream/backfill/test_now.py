"""The hour that is now: recomputed while the streaming job writes it, readers watch, and once the job is killed."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from builders import NOON_MS, encoded, event
from clickstream.stream.topic import topic_state
from stream_shop import Shop, Start
from waiting import wait_until

# In one snapshot: what the tables have more or less than there are events.
LACKS = """
select (select sum(events) from sessions)::int - events, (select sum(events) from traffic_minute)::int - events,
    (select sum(views) from page_minute)::int - views
from (select count(*)::int as events, count(*) filter (where event_type = 'page_view')::int as views from events) as e
"""
# As a slice does it: first the ledger. What LACKS adds up stays as it is, and no other table follows from the columns,
# so that a slice that extends a damaged session takes the damage no further.
DAMAGE = """
do $$ begin
    perform from clickstream.stream_offsets order by partition for update;
    update clickstream.sessions set logins = logins + 1;
    update clickstream.traffic_minute set revenue_e4 = revenue_e4 + 1;
end $$
"""
# Its last statement before the commit: all tables are replaced, and the stream waits.
UNSWAPPED = "select run from backfill_runs where swapped_at is null for no key update"
AT_ITS_END = """
select count(*) from pg_stat_activity
where application_name = 'clickstream-backfill' and wait_event_type = 'Lock' and query like '%%backfill_runs%%'
"""
MEANWHILE = """
select count(slices) from backfill_runs as runs
left join stream_slices as slices on slices.applied_at between runs.started_at and runs.swapped_at
where runs.swapped_at is not null group by runs.run order by runs.run
"""


def visit(chance: random.Random, number: int, now_ms: int) -> bytes:
    """An event of one of 60 users: mostly of now, some up to half an hour late. None has a load time."""
    late_ms = chance.choice([0, 0, 0, chance.randrange(1_800_000)])
    user, page = f"user-{chance.randrange(60)}", f"https://shop.example/p/{chance.randrange(9)}"
    kind = chance.choice(["page_view", "page_view", "scroll", "purchase"])
    return encoded(event(number, (now_ms - late_ms - NOON_MS) / 1_000, user, kind, page_url=page))


@contextmanager
def producing(shop: Shop, back: timedelta) -> Iterator[Callable[[], int]]:
    """About 300 records a second until the end of the block, each tenth of them twice; gives how many there were."""
    over, chance, sent = threading.Event(), random.Random(3), [0]
    producer = Producer({"bootstrap.servers": shop.platform.kafka_bootstrap})

    def produce() -> None:
        numbers = iter(range(10**9))
        while not over.wait(0.1):
            now_ms = round((time.time() - back.total_seconds()) * 1_000)
            values = [visit(chance, next(numbers), now_ms) for _ in range(27)]
            for value in [*values, *values[:3]]:
                producer.produce(shop.platform.topic, value, partition=chance.randrange(2))
                sent[0] += 1
            producer.flush(30)

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield lambda: sent[0]
    finally:
        over.set()
        thread.join()


@pytest.mark.timeout(900)  # five jobs, one after the other, beside the stream
def test_the_current_hour(shop: Shop, start_job: Start) -> None:
    now = datetime.now(UTC)
    # Within reach of midnight, users of both days stay as the stream wrote them: look at the hour before last then.
    back = timedelta(hours=2 if now.hour in (23, 0) else 0)
    day = (now - back).date()

    def read() -> int:
        return int(shop.rows("select coalesce(sum(read), 0) from stream_slices")[0][0])

    def backfill() -> dict[str, int]:
        job = start_job("backfill.py", "--day", str(day))
        assert job.process.wait(240) == 0
        return shop.differences(day)

    stream = start_job("stream.py")
    with producing(shop, back):
        wait_until(lambda: read() > 2_000, "the stream", alive=stream.running)
        with shop.watched(LACKS) as seen:
            shop.execute(DAMAGE)
            assert backfill().keys() == {"sessions", "traffic_minute"}
            shop.execute(DAMAGE)
            job = start_job("backfill.py", "--day", str(day))
            wait_until(lambda: shop.rows(UNSWAPPED), "a run", alive=job.running)
            with shop.held(UNSWAPPED):
                wait_until(lambda: shop.rows(AT_ITS_END) == [(1,)], "the swap's end", alive=job.running)
                job.close()
            before = read()
            wait_until(lambda: read() > before + 500, "the stream, which goes on", alive=stream.running)
            assert backfill().keys() == {"sessions", "traffic_minute"}
            assert backfill() == {}
            assert seen == {(0, 0, 0)}
    ends = topic_state(shop.platform.kafka_bootstrap, shop.platform.topic).end
    wait_until(lambda: read() == sum(ends.values()), "the rest", alive=stream.running)
    stream.stop()
    assert min(slices for (slices,) in shop.rows(MEANWHILE)) > 1
    stored = shop.tables()
    assert backfill() == {}
    assert shop.tables() == stored
