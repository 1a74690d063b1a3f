"""Running estimates that forget slowly: all that the detector remembers, in constant space."""

import math
from dataclasses import dataclass, field

Numbers = list[float]


@dataclass(slots=True)
class Estimate:
    """Mean and variance with exponential forgetting; a plain mean until ``memory`` observations have come."""

    memory: int
    count: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def add(self, value: float) -> None:
        """Learn a value."""
        self.count = min(self.count + 1, self.memory)
        share = 1.0 / self.count
        gap = value - self.mean
        self.mean += share * gap
        self.variance = (1.0 - share) * (self.variance + share * gap * gap)

    def add_clipped(self, value: float, widths: float) -> None:
        """Learn a value, an outlier as if it lay ``widths`` deviations off: one spike must not widen the band."""
        reach = widths * self.deviation
        self.add(min(max(value, self.mean - reach), self.mean + reach) if reach > 0 else value)

    @property
    def deviation(self) -> float:
        """Standard deviation."""
        return math.sqrt(self.variance)

    def distance(self, value: float, least: float) -> float:
        """How many deviations a value lies above (or, negative, below) the mean; the deviation at least ``least``."""
        usual = max(self.deviation, least)
        return (value - self.mean) / usual if usual > 0 else 0.0

    def dump(self) -> Numbers:
        """Count, mean, variance: what `load` takes."""
        return [self.count, self.mean, self.variance]

    def load(self, numbers: Numbers) -> None:
        """Go on where `dump` was taken."""
        count, self.mean, self.variance = numbers
        self.count = int(count)


@dataclass(slots=True)
class Profile:
    """The mean value by position in a cycle (time of day, hour of week), forgetting after ``memory`` visits.

    Within a visit the values are averaged, so that a minute series and an hourly one learn alike: a visit that is
    under way tells nothing about itself.
    """

    memory: int
    means: dict[int, Numbers] = field(default_factory=dict)  # position: [visits, mean]
    position: int = -1
    total: float = 0.0
    values: int = 0

    def move(self, position: int) -> None:
        """Enter a position; leaving another one learns its visit."""
        if position == self.position:
            return
        if self.values:
            visits, mean = self.means.get(self.position, (0.0, 0.0))
            visits = min(visits + 1, self.memory)
            self.means[self.position] = [visits, mean + (self.total / self.values - mean) / visits]
        self.position, self.total, self.values = position, 0.0, 0

    def expected(self, visits: int) -> float | None:
        """The mean at this position once it was visited so often."""
        known = self.means.get(self.position)
        return known[1] if known and known[0] >= visits else None

    def add(self, value: float) -> None:
        """Learn a value of the visit under way."""
        self.total += value
        self.values += 1

    def dump(self) -> Numbers:
        """Three numbers for the visit under way, three for each position: what `load` takes."""
        known = [number for position, mean in self.means.items() for number in (position, *mean)]
        return [self.position, self.total, self.values, *known]

    def load(self, numbers: Numbers) -> None:
        """Go on where `dump` was taken."""
        self.position, self.total, self.values = int(numbers[0]), numbers[1], int(numbers[2])
        self.means = {int(numbers[i]): [numbers[i + 1], numbers[i + 2]] for i in range(3, len(numbers), 3)}
