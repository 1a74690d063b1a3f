"""Recall and precision, on a day whose incidents and alarms are set by hand."""

from datetime import UTC, datetime, timedelta

from clickstream.anomalies.incidents import Tally, tallies
from clickstream.anomalies.series import METRICS, Anomaly
from clickstream.generator.schedule import CONVERSION_COLLAPSE, TRAFFIC_DROP, Incident, Kind

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def incident(kind: Kind, start: int, end: int) -> Incident:
    """From and to minutes after noon."""
    first, last = (int((NOON + timedelta(minutes=at)).timestamp()) * 1_000 for at in (start, end))
    return Incident(kind, first, last, kind.low)


def raised(metric: str, *minutes: int) -> list[Anomaly]:
    return [Anomaly(metric, NOON + timedelta(minutes=at), 0, 0, 0, 0, 1, "") for at in minutes]


def test_found_until_ten_minutes_behind_and_right_until_thirty() -> None:
    collapse = [incident(CONVERSION_COLLAPSE, 0, 20)]

    for minute, tally in {
        -1: Tally(1, 0, 1, 0), 0: Tally(1, 1, 1, 1), 29: Tally(1, 1, 1, 1), 30: Tally(1, 0, 1, 1),
        49: Tally(1, 0, 1, 1), 50: Tally(1, 0, 1, 0),
    }.items():  # fmt: skip
        assert tallies(raised("conversion", minute), collapse)["conversion"] == tally, minute


def test_alarms_within_half_an_hour_are_one_episode() -> None:
    found = tallies(raised("events", 100, 130, 160, 191), [incident(TRAFFIC_DROP, 95, 105)])

    assert found["events"] == Tally(incidents=1, found=1, episodes=2, right=1)


def test_a_metric_that_an_incident_moves_beside_its_own_is_right_but_not_asked_for() -> None:
    found = tallies(raised("revenue", 5) + raised("conversion", 6), [incident(TRAFFIC_DROP, 0, 20)])

    assert set(found) == set(METRICS)
    assert found["events"] == Tally(incidents=1)
    assert found["revenue"] == Tally(episodes=1, right=1)
    assert found["conversion"] == Tally(episodes=1)


def test_shares_and_sums() -> None:
    tally = Tally(4, 3, 5, 4) + Tally(1, 1, 0, 0)

    assert (tally.recall, tally.precision) == (0.8, 0.8)
    assert (Tally().recall, Tally().precision) == (None, None)
