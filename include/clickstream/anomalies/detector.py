"""Anomalies of a metric as it arrives: one value at a time, judged only by what came before it.

Three forecasts compete (the recent level, the time of day, the hour of the week): the one with the smallest recent
error is what is expected. Three questions are asked of each value, each in standard deviations of its own history:
is it far from what is expected (spike, drop); did it jump from the last values; are the last values together off
(level shift, slow drift). The score is the worst answer over its limit. All of it works on the (signed) square root
of the value: counts and shares vary more where they are larger, their roots do not, so that one limit fits night and
day, spike and outage; far from zero it changes nothing. docs/anomalies.md has the figures.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clickstream.anomalies import scale
from clickstream.anomalies.estimates import Estimate, Profile

THRESHOLD = 1.0  # a score from here on is an anomaly
_POINT_LIMIT = 3.8  # deviations of one value
_LEVEL_LIMIT = 2.9  # deviations of the mean of the last values, which are fewer and smoother
WARM_UP = 60  # values that are learned and never judged
MINIMUM_COUNT = 30  # a ratio or percentile of fewer events is noise: neither judged nor learned
QUIET = 30  # values after an alarm in which no other is raised: it would tell the same incident again
_LONG, _LEVEL, _RECENT, _FORECAST, _LAST = 600, 60, 10, 200, 5  # memories, in values
_DAYS, _WEEKS = 7, 4  # memories of the profiles
_BIN_MINUTES = 15
_VISITS = 2  # of a time of day before it is believed
_LEAST = 0.001  # of the root: what has stood still may move by that much before a deviation is known
_CLIP = 5.0  # deviations from which a value teaches no more
_FORECAST_TRIED = 20  # errors of a forecast before it may win
_RETURN = 240  # values after an alarm in which coming back to what was expected before it is no incident
# Each alarm raises the bar by a quarter, forgotten over some 500 values: what keeps happening is not an incident.
_BAR_RISE, _BAR_KEPT = 0.25, 0.998
_VERSION = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the detector says of one value.

    ``lower`` to ``upper`` is the band that a single value may take. ``score`` is 0 or more; from `THRESHOLD` on it is
    anomalous. ``alarm``: an incident begins here; the values that follow it within `QUIET` raise no other. ``reason``
    is a sentence for people where the score reaches the threshold, else empty.
    """

    expected: float
    lower: float
    upper: float
    score: float
    alarm: bool
    reason: str

    @property
    def anomalous(self) -> bool:
        """The score reaches the threshold, whether or not an alarm was raised before."""
        return self.score >= THRESHOLD


class Detector:
    """The state of one metric: some hundred numbers, whatever the length of the series."""

    def __init__(self) -> None:
        self._seen = 0
        self._since_alarm = _RETURN
        self._before_alarm = 0.0
        self._bar = 0.0
        self._negative = False
        self._profiles = (Profile(_DAYS), Profile(_WEEKS))
        self._estimates = {
            "level": Estimate(_LEVEL),
            "last": Estimate(_LAST),
            "jumps": Estimate(_LONG),
            "last_residual": Estimate(_LAST),
            "residual_jumps": Estimate(_LONG),
            "residuals": Estimate(_LONG),
            "recent": Estimate(_RECENT),
            "recent_means": Estimate(_LONG),
            "counts": Estimate(_LONG),
            "error_level": Estimate(_FORECAST),
            "error_day": Estimate(_FORECAST),
            "error_week": Estimate(_FORECAST),
        }

    def observe(
        self, time: datetime, value: float, count: float | None = None, minimum: float = 0.0, share: bool = False
    ) -> Verdict:
        """Judge the next value, then learn it. A missing value is one that is not observed.

        ``time`` gives the place in day and week, in whatever zone it carries. ``count`` is how many events a ratio or
        percentile rests on (below `MINIMUM_COUNT`: silent). ``share``: the value is a part, 0 to 1, of ``count``
        events, and what chance alone gives is no anomaly. ``minimum`` silences a metric while both the value and what
        is expected of it are smaller. NaN and infinities are silent and not learned.
        """
        for profile, position in zip(self._profiles, _positions(time), strict=True):
            profile.move(position)
        root = scale.rooted(value)
        forecasts = self._forecasts(root)
        expected, cyclic = self._best(forecasts)
        if not math.isfinite(value) or (count is not None and count < MINIMUM_COUNT):
            return self._verdict(expected, 0.0, False, "")
        score, reason = self._judge(root, expected, cyclic, count, share) if self._seen >= WARM_UP else (0.0, "")
        if max(abs(value), abs(scale.squared(expected))) < minimum:
            score, reason = 0.0, ""
        verdict = self._verdict(expected, score, self._raises(score, expected), reason)
        self._learn(root, root - expected, forecasts)
        if count is not None:
            self._estimates["counts"].add(count)
        return verdict

    def state(self) -> dict[str, Any]:
        """All that it remembers, for JSON; about 12 kB with every hour of a week known."""
        return {
            "version": _VERSION,
            "seen": self._seen,
            "since_alarm": self._since_alarm,
            "before_alarm": self._before_alarm,
            "bar": self._bar,
            "negative": self._negative,
            "profiles": [profile.dump() for profile in self._profiles],
            "estimates": {name: estimate.dump() for name, estimate in self._estimates.items()},
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "Detector":
        """Go on where `state` was taken. Raises ValueError for a state of another version."""
        if state.get("version") != _VERSION:
            raise ValueError(f"detector state of version {state.get('version')}, not {_VERSION}: start a new detector")
        detector = cls()
        detector._seen, detector._negative = state["seen"], state["negative"]
        detector._since_alarm, detector._before_alarm = state["since_alarm"], state["before_alarm"]
        detector._bar = state["bar"]
        for profile, numbers in zip(detector._profiles, state["profiles"], strict=True):
            profile.load(numbers)
        for name, estimate in detector._estimates.items():
            estimate.load(state["estimates"][name])
        return detector

    def _forecasts(self, value: float) -> list[float | None]:
        """By recent level, time of day, hour of week; None where too little is known."""
        level = self._estimates["level"].mean if self._seen else (value if math.isfinite(value) else 0.0)
        return [level, *(profile.expected(_VISITS) for profile in self._profiles)]

    def _errors(self) -> list[Estimate]:
        return [self._estimates[name] for name in ("error_level", "error_day", "error_week")]

    def _best(self, forecasts: list[float | None]) -> tuple[float, bool]:
        """The forecast with the smallest recent error, and whether it is one of the cycles."""
        errors, best = self._errors(), 0
        for way in (1, 2):
            tried = errors[way].count >= _FORECAST_TRIED
            if forecasts[way] is not None and tried and errors[way].mean < errors[best].mean:
                best = way
        return forecasts[best] or 0.0, best > 0

    def _judge(
        self, value: float, expected: float, cyclic: bool, count: float | None, share: bool
    ) -> tuple[float, str]:
        """The score of a value that is not learned yet, and why."""
        known, residual = self._estimates, value - expected
        events = count if share and count is not None else math.inf
        least = _LEAST * max(abs(value), abs(expected))
        off = scale.material(known["residuals"].distance(residual, least), value, expected)
        last = known["last"].mean
        jump = scale.material(scale.against(value - last, known["jumps"], least), value, last)
        if cyclic:  # a jump that the cycle has too is none
            jump = min(
                jump, scale.against(residual - known["last_residual"].mean, known["residual_jumps"], least), key=abs
            )
        recent = known["recent"]
        values = min(recent.count + 1, _RECENT)
        mean = recent.mean + (residual - recent.mean) / values
        level = scale.material(known["recent_means"].distance(mean, least), expected + mean, expected)
        level = scale.at_most(level, _LEVEL_LIMIT * scale.chance(expected + mean, expected, events * values))
        chance = _POINT_LIMIT * scale.chance(value, expected, events)
        off, jump = scale.at_most(off, chance), scale.at_most(jump, chance)
        if self._returned(value):
            off, jump, level = 0.0, 0.0, 0.0
        if self._returned(expected + mean):
            level = 0.0
        if count is not None:  # of fewer events than usual, a ratio or percentile varies more
            certain = min(math.sqrt(count / (known["counts"].mean or count)), 1.0)
            off, jump, level = off * certain, jump * certain, level * certain
        score, kind, deviations = max(
            (abs(off) / _POINT_LIMIT, "value", off),
            (abs(jump) / _POINT_LIMIT, "jump", jump),
            (abs(level) / _LEVEL_LIMIT, "level", level),
        )
        return score, _reason(kind, deviations, cyclic) if score >= THRESHOLD else ""

    def _returned(self, root: float) -> bool:
        """Whether a value is what was expected before a recent alarm: the recent level has learned the incident."""
        reach = _POINT_LIMIT * self._estimates["residuals"].deviation
        return self._since_alarm < _RETURN and abs(root - self._before_alarm) <= reach

    def _raises(self, score: float, expected: float) -> bool:
        """Whether a score is an alarm: above the bar, and not within `QUIET` values of another."""
        self._bar *= _BAR_KEPT
        self._since_alarm += 1
        if score < THRESHOLD * (1.0 + self._bar) or self._since_alarm < QUIET:
            return False
        if self._since_alarm >= _RETURN:
            self._before_alarm = expected
        self._bar += _BAR_RISE
        self._since_alarm = 0
        return True

    def _learn(self, value: float, residual: float, forecasts: list[float | None]) -> None:
        known, clip = self._estimates, _CLIP if self._seen >= WARM_UP else math.inf
        errors = self._errors()
        worst = _CLIP * errors[0].mean if self._seen >= WARM_UP and errors[0].mean > 0 else math.inf
        for forecast, error in zip(forecasts, errors, strict=True):
            if forecast is not None:
                error.add(min(abs(value - forecast), worst))
        if self._seen:
            _clipped(known["jumps"], value - known["last"].mean, clip)
        _clipped(known["residual_jumps"], residual - known["last_residual"].mean, clip)
        known["last"].add(value)
        known["last_residual"].add(residual)
        known["recent"].add(residual)
        _clipped(known["residuals"], residual, clip)
        _clipped(known["recent_means"], known["recent"].mean, clip)
        known["level"].add(value)
        reach = clip * known["residuals"].deviation if math.isfinite(clip) else math.inf
        for profile in self._profiles:  # an incident must not become what is usual at its time of day
            profile.add(value - residual + min(max(residual, -reach), reach))
        self._negative |= value < 0
        self._seen += 1

    def _verdict(self, expected: float, score: float, alarm: bool, reason: str) -> Verdict:
        residuals = self._estimates["residuals"]
        reach = _POINT_LIMIT * residuals.deviation
        middle = expected + residuals.mean
        lower = middle - reach if self._negative else max(middle - reach, 0.0)
        return Verdict(
            scale.squared(expected), scale.squared(lower), scale.squared(middle + reach), score, alarm, reason
        )


def _positions(time: datetime) -> tuple[int, int]:
    """Quarter of an hour of the day, hour of the week."""
    return (time.hour * 60 + time.minute) // _BIN_MINUTES, time.weekday() * 24 + time.hour


def _clipped(estimate: Estimate, value: float, clip: float) -> None:
    if math.isinf(clip):
        estimate.add(value)
    else:
        estimate.add_clipped(value, clip)


def _reason(kind: str, deviations: float, cyclic: bool) -> str:
    """Why a value is anomalous, for people."""
    size, up = f"{abs(deviations):.1f} standard deviations", deviations > 0
    if kind == "jump":
        return f"{'rose' if up else 'fell'} by {size} against the last {_LAST} values"
    usual = "for this time of day and week" if cyclic else f"against the last {_LEVEL} values"
    if kind == "level":
        return f"the last {_RECENT} values are {size} too {'high' if up else 'low'} {usual}"
    return f"{size} too {'high' if up else 'low'} {usual}"
