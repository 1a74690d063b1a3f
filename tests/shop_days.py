"""Three days of a shop in no order: late, repeated and spoilt records, visits along the borders of the middle day."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count

from builders import encoded, event
from clickstream.generator import GeneratorOptions, generate

DAY = date(2026, 6, 2)  # builders.event counts from noon of the day before
OTHER_DAYS = [DAY - timedelta(days=1), DAY + timedelta(days=1)]
MIDNIGHT = 43_200  # seconds of builders.event at which DAY begins
NEXT_MIDNIGHT = MIDNIGHT + 86_400


def visitors(seed: int) -> list[bytes | None]:
    """The record values, in the order in which they arrive."""
    start = datetime(2026, 6, 1, tzinfo=UTC)
    options = GeneratorOptions(rate=0.02, seed=seed, users=40, duplicate_share=0.1, malformed_share=0.02)
    values: list[bytes | None] = [r.value for b in generate(options, start, start + timedelta(days=3)) for r in b]
    values += [encoded(document) for document in at_the_borders()]
    random.Random(seed).shuffle(values)
    return values


def at_the_borders() -> Iterator[dict[str, object]]:
    """Times of visits, in seconds of builders.event."""
    visits = {
        "over-midnight": [MIDNIGHT - 600, MIDNIGHT + 600, MIDNIGHT + 900],
        "gap-at-midnight": [MIDNIGHT - 900, MIDNIGHT + 900],
        "over-the-gap": [MIDNIGHT - 900, MIDNIGHT + 901, MIDNIGHT + 2_000],
        "out-of-the-day": [NEXT_MIDNIGHT - 60, NEXT_MIDNIGHT + 1_700, NEXT_MIDNIGHT + 3_400],
        "last-instant": [NEXT_MIDNIGHT - 0.001, NEXT_MIDNIGHT + 1_799.999],
        "three-days": range(MIDNIGHT - 30_000, NEXT_MIDNIGHT + 30_000, 1_500),
        "from-this-day-on": range(NEXT_MIDNIGHT - 3_000, NEXT_MIDNIGHT + 60_000, 1_700),
        "chain": [NEXT_MIDNIGHT - 1_000, NEXT_MIDNIGHT + 700, NEXT_MIDNIGHT + 4_000],
    }
    numbers = count(10**6)
    for user, times in visits.items():
        for number, seconds in enumerate(times):
            yield event(next(numbers), seconds, user, page_url=f"https://shop.example/p/{number % 7}")
