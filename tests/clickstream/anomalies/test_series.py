"""Minutes in, alarms out: the metrics of a minute and their detectors."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from clickstream.anomalies.series import METRICS, Anomaly, Minute, Series, readings

START = datetime(2026, 11, 2, tzinfo=UTC)
QUIET_MINUTE = Minute(START, 0, 0, 0, 0, 0.0, 0, math.nan, 0.0, 0)


def minutes(length: int, seed: int = 1) -> list[Minute]:
    """A steady shop: 3,000 events a minute, half of the checkouts buy."""
    draw = np.random.default_rng(seed)
    return [
        Minute(
            minute=START + timedelta(minutes=at),
            events=int(draw.poisson(3_000)),
            active_users=int(draw.poisson(900)),
            checkouts=(tries := int(draw.poisson(200))),
            purchases=(bought := int(draw.binomial(tries, 0.5))),
            revenue=100.0 * bought,
            loads=1_000,
            load_p75_ms=1_500 + 30 * float(draw.standard_normal()),
            read=3_200.0,
            rejected=int(draw.binomial(3_200, 0.01)),
        )
        for at in range(length)
    ]


def alarms(series: Series, given: Sequence[Minute]) -> list[Anomaly]:
    return [alarm for minute in given for alarm in series.observe(minute)]


@pytest.mark.parametrize(
    ("metric", "change", "value"),
    [
        ("events", {"events": 9_000}, 9_000),
        ("active_users", {"active_users": 90}, 90),
        ("conversion", {"checkouts": 200, "purchases": 2}, 0.01),
        ("revenue", {"revenue": 500.0}, 500),
        ("page_load_p75", {"load_p75_ms": 4_500.0}, 4_500),
        ("rejected_share", {"rejected": 640}, 0.2),
    ],
)
def test_each_metric_raises_its_own_alarm_with_band_and_reason(
    metric: str, change: dict[str, float], value: float
) -> None:
    given = minutes(201)
    series = Series()
    before = alarms(series, given[:200])
    [found] = series.observe(replace(given[200], **change))

    assert [alarm.metric for alarm in before] == []
    assert (found.metric, found.minute, found.value) == (metric, given[200].minute, pytest.approx(value))
    assert not found.lower_bound <= found.value <= found.upper_bound
    assert found.lower_bound <= found.expected <= found.upper_bound
    assert found.score >= 1 and found.reason


def test_an_unknown_minute_is_neither_judged_nor_learned() -> None:
    given = minutes(400)
    off = [replace(QUIET_MINUTE, minute=START + timedelta(minutes=200 + at), known=False) for at in range(100)]
    with_gap, without = Series(), Series()

    found = alarms(with_gap, [*given[:200], *off, *given[300:]])

    assert found == alarms(without, [*given[:200], *given[300:]])
    assert with_gap.state() == without.state()


def test_an_outage_that_was_watched_is_an_anomaly() -> None:
    series = Series()
    alarms(series, minutes(200))

    found = series.observe(replace(QUIET_MINUTE, minute=START + timedelta(minutes=200)))

    assert [alarm.metric for alarm in found] == ["events", "active_users"]


def test_a_state_goes_through_json_as_if_nothing_had_happened() -> None:
    given = minutes(300)
    given[250] = replace(given[250], events=20_000)
    whole, first = Series(), Series()
    alarms(first, given[:240])
    second = Series.from_state(json.loads(json.dumps(first.state())))

    assert [alarm.metric for alarm in alarms(second, given[240:])] == ["events"]
    assert alarms(whole, given) and whole.state() == second.state()


def test_a_state_of_other_metrics_is_refused() -> None:
    with pytest.raises(ValueError, match="no metric"):
        Series.from_state({})
    with pytest.raises(ValueError, match="the state is of events, not of events, active_users"):
        Series.from_state({"events": Series().state()["events"]})


def test_the_values_of_a_minute_and_what_has_none() -> None:
    busy = readings(Minute(START, 10, 4, 50, 20, 1_999.5, 7, 820.0, 400.0, 8))
    empty = readings(QUIET_MINUTE)

    assert tuple(busy) == METRICS
    assert [busy[name].value for name in METRICS] == [10, 4, 0.4, 1_999.5, 820, 0.02]
    assert [busy[name].rests_on for name in METRICS] == [None, None, 50, 50, 7, 400]
    assert [name for name in METRICS if math.isnan(empty[name].value)] == [
        "conversion", "page_load_p75", "rejected_share",
    ]  # fmt: skip
    # A shop without a checkout event: every purchase was a try.
    assert readings(replace(QUIET_MINUTE, purchases=40))["conversion"][:2] == (1.0, 40)
