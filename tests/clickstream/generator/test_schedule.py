"""Incidents and the cycle of day and week."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from clickstream.contract import Accepted, decode
from clickstream.generator import GeneratorOptions, generate
from clickstream.generator.schedule import (
    CONVERSION_COLLAPSE,
    KINDS,
    MINUTE_MS,
    REJECTED_BURST,
    SLOW_PAGES,
    TRAFFIC_DROP,
    TRAFFIC_SURGE,
    Incident,
    Kind,
    incidents,
    incidents_of_day,
    intensity,
)

DAY = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) // 86_400


def first(kind: Kind, options: GeneratorOptions) -> Incident:
    """The first incident of a kind from the day on."""
    return next(
        incident
        for day in range(DAY, DAY + 60)
        for incident in incidents_of_day(options.seed, day, options.anomalies_per_day)
        if incident.kind is kind
    )


@pytest.mark.parametrize("count", [1, 3, 12])
def test_incidents_are_whole_minutes_within_the_day_and_do_not_overlap(count: int) -> None:
    for day in range(DAY, DAY + 30):
        found = incidents_of_day(5, day, count)
        assert len(found) == count
        for incident in found:
            assert 10 * MINUTE_MS <= incident.end_ms - incident.start_ms <= 30 * MINUTE_MS
            assert incident.start_ms % MINUTE_MS == incident.end_ms % MINUTE_MS == 0
            assert day == incident.start_ms // 86_400_000 == (incident.end_ms - 1) // 86_400_000
            assert incident.kind.low <= incident.size <= incident.kind.high
        for one, other in pairwise(found):
            assert one.end_ms <= other.start_ms


def test_all_kinds_come_and_none_when_switched_off() -> None:
    days = range(DAY, DAY + 60)
    assert {incident.kind for day in days for incident in incidents_of_day(1, day, 3)} == set(KINDS)
    options = GeneratorOptions(anomalies_per_day=0)
    assert incidents(options, DAY * 86_400_000, (DAY + 60) * 86_400_000) == []


def test_the_week_averages_one_and_evenings_are_busier_than_nights() -> None:
    calm = GeneratorOptions(anomalies_per_day=0)
    week = [intensity(calm, DAY * 1_440 + minute) for minute in range(7 * 1_440)]
    assert sum(week) / len(week) == pytest.approx(1)
    friday, saturday = DAY * 1_440, (DAY + 1) * 1_440
    assert intensity(calm, friday + 19 * 60) > 2 * intensity(calm, friday + 4 * 60)
    assert intensity(calm, saturday + 600) > intensity(calm, friday + 600)


@pytest.mark.parametrize("kind", [TRAFFIC_SURGE, TRAFFIC_DROP])
def test_traffic_incidents_multiply_the_visits_of_their_minutes(kind: Kind) -> None:
    options, calm = GeneratorOptions(seed=3), GeneratorOptions(seed=3, anomalies_per_day=0)
    incident = first(kind, options)
    for minute in (incident.start_ms // MINUTE_MS, incident.end_ms // MINUTE_MS - 1):
        assert intensity(options, minute) == pytest.approx(incident.size * intensity(calm, minute))
    assert intensity(options, incident.end_ms // MINUTE_MS) == intensity(calm, incident.end_ms // MINUTE_MS)


@pytest.mark.parametrize(
    ("kind", "low", "high"), [(CONVERSION_COLLAPSE, 0.0, 0.35), (SLOW_PAGES, 2.7, 6.6), (REJECTED_BURST, 8.0, 35.0)]
)
def test_other_incidents_move_their_metric(kind: Kind, low: float, high: float) -> None:
    """Purchases, mean load time and refused records inside the incident, against the same time without it."""
    options, calm = GeneratorOptions(rate=60, seed=3), GeneratorOptions(rate=60, seed=3, anomalies_per_day=0)
    incident = first(kind, options)
    ratio = _metric(kind, options, incident) / _metric(kind, calm, incident)
    assert low <= ratio <= high


def _metric(kind: Kind, options: GeneratorOptions, incident: Incident) -> float:
    start, end = (datetime.fromtimestamp(ms / 1_000, UTC) for ms in (incident.start_ms, incident.end_ms))
    purchases = refused = total = 0
    loads = []
    for batch in generate(options, start + timedelta(minutes=1), end):
        for value in batch.values:
            decoded = decode(value)
            total += 1
            if not isinstance(decoded, Accepted):
                refused += 1
            elif start <= decoded.event.event_time < end:
                purchases += decoded.event.event_type == "purchase"
                loads += [decoded.properties.page_load_ms] if decoded.properties.page_load_ms else []
    return {CONVERSION_COLLAPSE: purchases / total, SLOW_PAGES: sum(loads) / len(loads)}.get(kind, refused / total)
