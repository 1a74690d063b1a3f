"""Alarms against the incidents that the generator injected: recall and precision. Pure.

An incident is found when its own metric raises an alarm from its start to `LATE` after its end. Alarms of one metric
within `TOGETHER` of each other are one episode; an episode is right when it begins in an incident that moves its
metric, or while things return to normal after it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clickstream.anomalies.series import METRICS, WINDOW_MINUTES, Anomaly
from clickstream.generator.schedule import (
    CONVERSION_COLLAPSE,
    REJECTED_BURST,
    SLOW_PAGES,
    TRAFFIC_DROP,
    TRAFFIC_SURGE,
    Incident,
)

LATE = timedelta(minutes=WINDOW_MINUTES)
TOGETHER = timedelta(minutes=30)
_AFTERWARDS = timedelta(minutes=30)
# Beside the metric that an incident is meant for: visits bring users, orders and revenue with them, records that are
# refused are missing from all of them.
_MOVES = {
    TRAFFIC_SURGE: {"events", "active_users", "revenue"},
    TRAFFIC_DROP: {"events", "active_users", "revenue"},
    CONVERSION_COLLAPSE: {"conversion", "revenue"},
    SLOW_PAGES: {"page_load_p75"},
    REJECTED_BURST: {"rejected_share", "events", "active_users", "revenue"},
}


@dataclass(frozen=True)
class Tally:
    """How well one metric did, or all of them."""

    incidents: int = 0
    found: int = 0
    episodes: int = 0
    right: int = 0

    @property
    def recall(self) -> float | None:
        """Found incidents over all; None without any."""
        return self.found / self.incidents if self.incidents else None

    @property
    def precision(self) -> float | None:
        """Right episodes over all; None without any."""
        return self.right / self.episodes if self.episodes else None

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.incidents + other.incidents,
            self.found + other.found,
            self.episodes + other.episodes,
            self.right + other.right,
        )


def tallies(alarms: Iterable[Anomaly], injected: Sequence[Incident]) -> dict[str, Tally]:
    """The tally of each metric; ``alarms`` in order of time."""
    raised: dict[str, list[datetime]] = {metric: [] for metric in METRICS}
    for alarm in alarms:
        raised[alarm.metric].append(alarm.minute)
    return {metric: _tally(metric, times, injected) for metric, times in raised.items()}


def _tally(metric: str, times: Sequence[datetime], injected: Sequence[Incident]) -> Tally:
    meant = [incident for incident in injected if incident.kind.metric == metric]
    moving = [incident for incident in injected if metric in _MOVES[incident.kind]]
    begun = [time for place, time in enumerate(times) if place == 0 or time - times[place - 1] > TOGETHER]
    return Tally(
        incidents=len(meant),
        found=sum(any(_within(time, incident, LATE) for time in times) for incident in meant),
        episodes=len(begun),
        right=sum(any(_within(time, incident, _AFTERWARDS) for incident in moving) for time in begun),
    )


def _within(time: datetime, incident: Incident, after: timedelta) -> bool:
    start, end = (datetime.fromtimestamp(ms / 1_000, UTC) for ms in (incident.start_ms, incident.end_ms))
    return start <= time < end + after
