"""When the shop is busy, and which incidents are injected: a pure function of (seed, UTC day)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from clickstream.generator.options import GeneratorOptions
from clickstream.generator.randomness import F64, I64, cell_generator

MINUTE_MS = 60_000
DAY_MS = 86_400_000
_WEEK_MINUTES = 7 * 1_440
_STREAM = 2


@dataclass(frozen=True)
class Kind:
    """An incident: which metric moves, and between which factors (or added shares) its size is drawn."""

    name: str
    metric: str
    low: float
    high: float


TRAFFIC_SURGE = Kind("traffic_surge", "events", 2.5, 4.0)
TRAFFIC_DROP = Kind("traffic_drop", "events", 0.05, 0.25)
CONVERSION_COLLAPSE = Kind("conversion_collapse", "conversion", 0.0, 0.05)
SLOW_PAGES = Kind("slow_pages", "page_load_p75", 3.0, 6.0)
REJECTED_BURST = Kind("rejected_burst", "rejected_share", 0.10, 0.25)
KINDS = (TRAFFIC_SURGE, TRAFFIC_DROP, CONVERSION_COLLAPSE, SLOW_PAGES, REJECTED_BURST)


@dataclass(frozen=True)
class Incident:
    """One injected incident: [start_ms, end_ms) in event time, whole minutes; ``size`` as `Kind` says."""

    kind: Kind
    start_ms: int
    end_ms: int
    size: float


@lru_cache(maxsize=512)
def incidents_of_day(seed: int, day: int, count: int) -> tuple[Incident, ...]:
    """The incidents of a UTC day (days since 1970). The day is cut into equal slots, so that none overlap."""
    draw = cell_generator(seed, _STREAM, day)
    found = []
    for slot in range(count):
        kind = KINDS[int(draw.integers(len(KINDS)))]
        minutes = int(draw.integers(10, 31))
        room = 1_440 // count - minutes
        start = day * DAY_MS + (slot * 1_440 // count + int(draw.integers(room + 1))) * MINUTE_MS
        size = kind.low + (kind.high - kind.low) * float(draw.random())
        found.append(Incident(kind, start, start + minutes * MINUTE_MS, size))
    return tuple(found)


def incidents(options: GeneratorOptions, start_ms: int, end_ms: int) -> list[Incident]:
    """The incidents that overlap [start_ms, end_ms), in order."""
    days = range(start_ms // DAY_MS, (end_ms - 1) // DAY_MS + 1)
    every = [i for day in days for i in incidents_of_day(options.seed, day, options.anomalies_per_day)]
    return [incident for incident in every if incident.start_ms < end_ms and incident.end_ms > start_ms]


def effect(options: GeneratorOptions, kind: Kind, times: I64, neutral: float) -> F64:
    """The size of the incident of a kind at each time (Unix ms), ``neutral`` where there is none."""
    sizes = np.full(len(times), neutral)
    if len(times):
        for incident in incidents(options, int(times.min()), int(times.max()) + 1):
            if incident.kind is kind:
                sizes[(times >= incident.start_ms) & (times < incident.end_ms)] = incident.size
    return sizes


def _week() -> F64:
    """Visits by minute of the week (from Monday, UTC), 1 on average: evenings and weekends are busy."""
    minute = np.arange(_WEEK_MINUTES)
    hour = minute % 1_440 / 60
    day = 1 + 0.45 * np.cos((hour - 19.5) / 24 * 2 * np.pi) + 0.15 * np.cos((hour - 12) / 12 * 2 * np.pi)
    by_weekday = np.array([1.0, 0.96, 0.95, 0.98, 1.02, 1.18, 1.25])
    shape = day * by_weekday[minute // 1_440]
    return np.asarray(shape / shape.mean())


_BY_MINUTE_OF_WEEK = _week()


def intensity(options: GeneratorOptions, minute: int) -> float:
    """How many times the average number of visits start in a minute (minutes since 1970)."""
    cycle = float(_BY_MINUTE_OF_WEEK[(minute + 3 * 1_440) % _WEEK_MINUTES])  # 1970 began on a Thursday
    for incident in incidents(options, minute * MINUTE_MS, (minute + 1) * MINUTE_MS):
        if incident.kind in (TRAFFIC_SURGE, TRAFFIC_DROP):
            cycle *= incident.size
    return cycle
