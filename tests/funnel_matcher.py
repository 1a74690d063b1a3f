"""Funnels by their definition, for few events: every way to fill the steps is tried. Independent of the SQL."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, permutations

DAY = 86_400


@dataclass(frozen=True)
class Mark:
    """An event: its time (seconds), the steps (0, 1, …) it can fill, the gaps (0: between step 1 and 2) it spoils."""

    time: int
    steps: frozenset[int] = frozenset()
    spoils: frozenset[int] = frozenset()
    considered: bool = False


@dataclass(frozen=True)
class Rules:
    """How many steps, and the words of the declaration; `within` None: no end."""

    steps: int
    order: str = "ordered"
    strict_ties: bool = False
    within: int | None = None
    same_day: bool = False


def results(events: list[Mark], rules: Rules) -> dict[int, tuple[int, list[int]]]:
    """For each day with an entry: the entry's position and the times of the steps reached; events are in order."""
    found: dict[int, tuple[int, list[int]]] = {}
    for start, event in enumerate(events):
        if not (event.steps if rules.order == "any" else 0 in event.steps):
            continue
        day = event.time // DAY
        entry, best = found.get(day, (start, []))
        chain = best_chain(events, start, rules)
        times = [events[i].time for i in chain]
        if len(times) > len(best) and not _spoilt(events, chain, rules):
            best = times
        found[day] = (entry, best)
    return {day: (entry, best) for day, (entry, best) in found.items() if best}


def best_chain(events: list[Mark], start: int, rules: Rules) -> list[int]:
    """The positions that fill steps from a start: as many as can be, then as early as can be."""
    end = _end(events[start].time, rules)
    inside = [i for i, event in enumerate(events) if events[start].time <= event.time <= end]
    if rules.order == "any":
        return _any(events, start, inside, rules)
    chains = list(_chains(events, [start], inside, rules))
    longest = max(map(len, chains))
    return min((c for c in chains if len(c) == longest), key=lambda c: ([events[i].time for i in c], c))


def _end(start: int, rules: Rules) -> float:
    if rules.same_day:
        return (start // DAY + 1) * DAY - 1
    return float("inf") if rules.within is None else start + rules.within


def _chains(events: list[Mark], chain: list[int], inside: list[int], rules: Rules) -> Iterator[list[int]]:
    yield chain
    if len(chain) == rules.steps:
        return
    last = events[chain[-1]].time
    for i in inside:
        time = events[i].time
        after = time > last if rules.strict_ties else time >= last
        if i in chain or len(chain) not in events[i].steps or not after:
            continue
        if rules.order == "strict" and any(
            event.considered and _between(last, event.time, time, rules)
            for j, event in enumerate(events)
            if j not in (chain[-1], i)
        ):
            continue
        yield from _chains(events, [*chain, i], inside, rules)


def _between(first: int, time: int, last: int, rules: Rules) -> bool:
    """Equal times are given to the funnel, or with strict ties held against it."""
    return first <= time <= last if rules.strict_ties else first < time < last


def _any(events: list[Mark], start: int, inside: list[int], rules: Rules) -> list[int]:
    """The n-th position: the earliest event up to which n different events can do n different steps, the start one."""
    others = [i for i in inside if i != start and events[i].steps]
    chain = [start]
    for upto in others:
        fitting = [i for i in others if i <= upto]
        for chosen in combinations(fitting, len(chain)):
            times = [events[i].time for i in (start, *chosen)]
            if rules.strict_ties and len(set(times)) < len(times):
                continue
            if len(times) <= rules.steps and _assignable([events[i].steps for i in (start, *chosen)], rules.steps):
                chain.append(upto)
                break
    return chain


def _assignable(fits: list[frozenset[int]], steps: int) -> bool:
    return any(
        all(step in fit for step, fit in zip(chosen, fits, strict=True))
        for chosen in permutations(range(steps), len(fits))
    )


def _spoilt(events: list[Mark], chain: list[int], rules: Rules) -> bool:
    return any(
        gap in event.spoils and _between(events[chain[gap]].time, event.time, events[chain[gap + 1]].time, rules)
        for gap in range(len(chain) - 1)
        for j, event in enumerate(events)
        if j not in (chain[gap], chain[gap + 1])
    )
