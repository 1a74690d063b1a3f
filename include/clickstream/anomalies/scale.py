"""The scale on which values are compared, and when a difference is worth a word: pure, without memory."""

import math

from clickstream.anomalies.estimates import Estimate

_CHANCE_LIMIT = 5.0  # deviations of a binomial: a day has 1,440 minutes, and chance must not reach it in months
_MATERIAL = 0.08  # of the larger one: what differs by less is no incident, however surely it differs


def rooted(value: float) -> float:
    """The signed square root."""
    return math.copysign(math.sqrt(abs(value)), value)


def squared(root: float) -> float:
    """The value of a signed square root."""
    return root * abs(root)


def against(jump: float, jumps: Estimate, least: float) -> float:
    """A jump in units of the usual size of jumps, at least ``least``."""
    usual = max(math.hypot(jumps.deviation, jumps.mean), least)
    return jump / usual if usual > 0 else 0.0


def chance(root: float, expected: float, events: float) -> float:
    """How unlikely a share of so many events is by chance alone, in standard deviations of a binomial over its limit.

    Both are roots of shares. Their arcsine varies alike for every share: right for rare things too.
    """
    if math.isinf(events):
        return math.inf
    angle, usual = (math.asin(min(max(part, 0.0), 1.0)) for part in (root, expected))
    return 2.0 * math.sqrt(events) * abs(angle - usual) / _CHANCE_LIMIT


def material(deviations: float, root: float, usual: float) -> float:
    """The deviations, 0 where the value is too near to the usual one (both are roots) to matter."""
    value, other = squared(root), squared(usual)
    return deviations if abs(value - other) >= _MATERIAL * max(abs(value), abs(other)) else 0.0


def at_most(deviations: float, limit: float) -> float:
    """The deviations, no more than a limit, with their sign."""
    return math.copysign(min(abs(deviations), limit), deviations)
