"""The driver's scorer beside real servers: it judges what is stored, waits for PostgreSQL, ends with the lease."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from clickstream.settings import Settings
from clickstream.stream.scorer import Scorer
from clickstream.stream.topic import EndOffsets, topic_state
from clickstream.warehouse import ledger
from waiting import wait_until


@pytest.fixture
def writer(platform: Settings) -> Iterator[psycopg.Connection]:
    """A connection of the writer; the topic is in the ledger."""
    with psycopg.connect(
        platform.postgres_writer.get_secret_value(), autocommit=True, options="-c search_path=clickstream"
    ) as connection:
        ledger.starting_offsets(connection, topic_state(platform.kafka_bootstrap, platform.topic))
        yield connection


def start(platform: Settings, epoch: int) -> Scorer:
    ends = EndOffsets(platform.kafka_bootstrap, platform.topic, [0, 1])
    scorer = Scorer(platform.postgres_writer.get_secret_value(), epoch, platform.topic, ends)
    scorer.start()
    return scorer


def test_history_is_judged_at_once_and_a_lost_lease_ends_it(platform: Settings, writer: psycopg.Connection) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    spike = now - timedelta(minutes=30)
    writer.execute(
        "insert into traffic_minute (minute, event_type, device, is_bot, events, revenue_e4)"
        " select minute, 'page_view', 'desktop', false, case when minute = %(spike)s then 2000"
        " else 200 + extract(minute from minute)::int * 7 %% 11 end, 0"
        " from generate_series(%(now)s - interval '5 hours', %(now)s - interval '5 minutes', interval '1 minute')"
        " as minute",
        {"spike": spike, "now": now},
    )
    scorer = start(platform, ledger.acquire(writer, "test"))
    found = wait_until(
        lambda: writer.execute("select metric, minute, value from anomalies").fetchall(), "an alarm", seconds=60
    )

    assert found == [("events", spike, 2_000)]
    last = wait_until(
        lambda: writer.execute("select max(minute) from anomaly_state").fetchone()[0], "a state", seconds=60
    )
    assert last >= now - timedelta(minutes=4)
    # A newer driver ends the connections of the old one and takes the lease: nothing to wait for any more.
    ledger.acquire(writer, "another")
    scorer.join(30)
    assert not scorer.is_alive()


def test_it_waits_while_postgresql_is_away_and_stops_when_told(
    platform: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    scorer = Scorer(
        "host=127.0.0.1 port=1 connect_timeout=1", 1, platform.topic,
        EndOffsets(platform.kafka_bootstrap, platform.topic, [0, 1]),
    )  # fmt: skip
    scorer.start()
    wait_until(lambda: "the search for anomalies waits" in caplog.text, "the warning", seconds=30)

    assert scorer.is_alive()
    scorer.stop()
    assert not scorer.is_alive()
    assert caplog.text.count("the search for anomalies waits") == 1
