"""Counting the generator's numbers gives what counting its records gives."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from clickstream import counts
from clickstream.anomalies import simulated
from clickstream.anomalies.scoring import GRACE
from clickstream.anomalies.series import SEEN_MINUTES, WINDOW_MINUTES
from clickstream.generator import GeneratorOptions, generate
from clickstream.live import load_percentile
from clickstream.slice import Records, decode_slice

START = datetime(2026, 11, 20, 18, tzinfo=UTC)
LENGTH = 25


def test_a_simulated_minute_is_that_of_its_records() -> None:
    options = GeneratorOptions(rate=30, seed=5, users=5_000, bot_share=0.1, late_share=0.2, anomalies_per_day=12)
    first = START - timedelta(minutes=WINDOW_MINUTES)
    sent = list(generate(options, first, START + timedelta(minutes=LENGTH) + GRACE))
    emitted = np.concatenate([batch.emit_ms for batch in sent])
    values = pa.array([value for batch in sent for value in batch.values], pa.binary())
    covert = {user for batch in sent for user, kind in batch.bots.items() if kind == "behavioural"}
    records = Records(values, np.arange(len(values)), emitted, np.zeros(len(values), dtype=np.bool_))
    decoded = decode_slice(records, 300_000)
    grace_ms = int(GRACE.total_seconds() * 1_000)
    end_ms = (pl.col("event_ms") // 60_000 + 1) * 60_000
    stored = decoded.events.unique("event_id", keep="first", maintain_order=True)
    stored = stored.filter(pl.col("kafka_ms") < end_ms + grace_ms)
    traffic = counts.traffic_minute(stored).filter(~pl.col("is_bot"))
    loads = counts.load_minute(stored).filter(~pl.col("is_bot"))
    people = stored.filter(pl.col("bot").is_null() & ~pl.col("user_id").is_in(list(covert)))

    found = simulated.minutes(options, START, LENGTH)

    assert [minute.minute for minute in found] == [START + timedelta(minutes=at) for at in range(LENGTH)]
    for minute in found:
        at = int(minute.minute.timestamp() * 1_000)
        lately = traffic.filter(pl.col("minute_ms").is_between(at - 9 * 60_000, at))
        of_type = dict(lately.group_by("event_type").agg(pl.col("events").sum()).iter_rows())
        histogram = loads.filter(pl.col("minute_ms") == at)
        seen = people.filter(pl.col("event_ms").is_between(at - (SEEN_MINUTES - 1) * 60_000, at + 59_999))
        assert minute.events == traffic.filter(pl.col("minute_ms") == at)["events"].sum()
        assert minute.checkouts == of_type.get("begin_checkout", 0)
        assert minute.purchases == of_type.get("purchase", 0)
        assert minute.revenue == pytest.approx(lately["revenue_e4"].sum() / 10_000)
        assert minute.active_users == seen["user_id"].n_unique()
        assert minute.loads == histogram["loads"].sum()
        assert minute.load_p75_ms == load_percentile(histogram.iter_rows(named=True), 0.75)
        assert minute.read == ((emitted >= at) & (emitted < at + 60_000)).sum()
        assert minute.rejected == decoded.dead_letters["kafka_ms"].is_between(at, at + 59_999).sum()
    assert sum(minute.rejected for minute in found) > 0 and sum(minute.purchases for minute in found) > 0


def test_progress_tells_every_minute() -> None:
    told: list[int] = []
    simulated.minutes(GeneratorOptions(rate=1), START, 45, told.append)

    assert sum(told) == 45
