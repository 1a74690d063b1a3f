"""The metrics of a minute and their detectors: minutes in, alarms out. Pure; `scoring` reads and stores.

Who compares other ways of counting a minute (the stream's tables, a simulation) makes `Minute`s and asks the same
`Series`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from clickstream.anomalies.detector import Detector

WINDOW_MINUTES = 10  # purchases are rare: conversion and revenue are of so many minutes, up to the end of the minute
SEEN_MINUTES = 5  # active are those seen in so many minutes, as in live:active_users
METRICS = ("events", "active_users", "conversion", "revenue", "page_load_p75", "rejected_share")
_FEW_EVENTS, _FEW_USERS = 60.0, 30.0  # volumes a minute below which no alarm is worth a look


@dataclass(frozen=True, slots=True)
class Minute:
    """What is known of a minute, of people alone; sql/anomalies/minutes.sql says where it stands.

    ``checkouts``, ``purchases`` and ``revenue`` are of `WINDOW_MINUTES`, ``active_users`` of `SEEN_MINUTES`, both up
    to the minute's end; ``loads`` and ``load_p75_ms`` of its page loads (NaN without any); ``read`` and ``rejected``
    of the records that Kafka received in it. ``known``: it was watched, or something happened in it; zeros of a
    minute in which nobody looked say nothing.
    """

    minute: datetime
    events: int
    active_users: int
    checkouts: int
    purchases: int
    revenue: float
    loads: int
    load_p75_ms: float
    read: float
    rejected: int
    known: bool = True


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One alarm: a row of table `anomalies`, named as its columns."""

    metric: str
    minute: datetime
    value: float
    expected: float
    lower_bound: float
    upper_bound: float
    score: float
    reason: str


class Reading(NamedTuple):
    """The value of a metric in a minute, and what `Detector.observe` is told with it."""

    value: float
    rests_on: float | None = None  # events
    minimum: float = 0.0
    share: bool = False


def readings(minute: Minute) -> dict[str, Reading]:
    """The values of METRICS; NaN where there is none."""
    # A shop may sell without a checkout event: then every purchase is a try.
    tries = max(minute.checkouts, minute.purchases)
    return {
        "events": Reading(minute.events, minimum=_FEW_EVENTS),
        "active_users": Reading(minute.active_users, minimum=_FEW_USERS),
        "conversion": Reading(_share(minute.purchases, tries), tries, share=True),
        "revenue": Reading(minute.revenue, tries),
        "page_load_p75": Reading(minute.load_p75_ms, minute.loads),
        "rejected_share": Reading(_share(minute.rejected, minute.read), minute.read, share=True),
    }


class Series:
    """One detector a metric, all with one setting. Minutes go in by order of time."""

    def __init__(self) -> None:
        self._detectors = {metric: Detector() for metric in METRICS}

    def observe(self, minute: Minute) -> list[Anomaly]:
        """The alarms that begin in a minute. An unknown minute is neither judged nor learned."""
        if not minute.known:
            return []
        found = []
        for metric, reading in readings(minute).items():
            verdict = self._detectors[metric].observe(minute.minute, *reading)
            if verdict.alarm:
                band = (verdict.expected, verdict.lower, verdict.upper)
                found.append(Anomaly(metric, minute.minute, reading.value, *band, verdict.score, verdict.reason))
        return found

    def state(self) -> dict[str, dict[str, Any]]:
        """What each metric's detector remembers, for JSON."""
        return {metric: detector.state() for metric, detector in self._detectors.items()}

    @classmethod
    def from_state(cls, state: Mapping[str, dict[str, Any]]) -> "Series":
        """Go on where `state` was taken. Raises ValueError for other metrics or another version of the detector."""
        if set(state) != set(METRICS):
            raise ValueError(f"the state is of {', '.join(sorted(state)) or 'no metric'}, not of {', '.join(METRICS)}")
        series = cls()
        series._detectors = {metric: Detector.from_state(state[metric]) for metric in METRICS}
        return series


def _share(part: float, whole: float) -> float:
    return min(part / whole, 1.0) if whole else math.nan
