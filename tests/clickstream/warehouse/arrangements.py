"""Histories for Hypothesis: what was said, and every way in which it may arrive."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import accumulate, count, cycle
from typing import Any

from hypothesis import strategies as st

from builders import NOON_MS, piece
from clickstream.warehouse.apply import Slice

from .said import AGENTS, LOAD_BUCKETS, PAGES, REFERRERS, STYLES, Arrived, Said, written

WIDE = "wide"  # a topic of its own: more partitions than users, so that users stand in several
PARTITIONS = 4
KAFKA_MS = NOON_MS + 10 * 86_400_000
TEN_IN_THE_EVENING = NOON_MS + 36_000_000  # midnight is near

Copy = tuple[Said, str]  # an event and the style in which it is written

# Times of one user: ties, both sides of the gap, a hole that one late event in the middle closes.
_STEPS = [0, 0, 1, 1_000, 60_000, 1_799_999, 1_800_000, 1_800_000, 1_800_001, 1_801_000, 3_600_000, 3_600_001]
_KINDS = ["page_view", "page_view", "page_view", "purchase", "search", "view_item", "add_to_cart", "remove_from_cart",
          "begin_checkout", "add_payment_info", "sign_up", "login", "click", "scroll", "wishlist_shared"]  # fmt: skip
# Pauses of a visit with so many page views that its pace is judged: rate, regular, no_interaction, and a person's.
_PACES = [[0, 100, 300], [60_000], [2_000, 4_000], [5_000, 40_000, 90_000, 8_000]]
_ASIDE = [[], ["scroll"], ["click"], ["purchase"] * 6]
_CONTENT = st.fixed_dictionaries(
    {
        "user": st.sampled_from(["ann", "zoë", "ann "]),
        "kind": st.sampled_from(_KINDS),
        "page": st.sampled_from(list(PAGES)),
        "referrer": st.sampled_from(list(REFERRERS)),
        "agent": st.sampled_from(list(AGENTS)),
        "session_id": st.sampled_from([None, "s-1", "s-2", "ß"]),
        "cents": st.sampled_from([None, 0, 10, 1_999, 10_000_000]),
        "quantity": st.sampled_from([None, 0, 1, 3]),
        "load": st.sampled_from(list(LOAD_BUCKETS)),
        "product": st.sampled_from([None, " P-1 ", "P-2", " "]),
        "category": st.sampled_from([None, "", "tents"]),
        "colour": st.sampled_from([None, "blå"]),
    }
)


@st.composite
def histories(draw: st.DrawFn, most: int = 24) -> list[Said]:
    """Different events of a few users, each user's times a walk along the borders of the rules; after half of them a
    visit of many pages."""
    size = draw(st.integers(1, most))  # drawn apart: lists alone are mostly very short
    drawn = draw(st.lists(st.tuples(_CONTENT, st.sampled_from(_STEPS)), min_size=size, max_size=size))
    clock: dict[str, int] = {}
    events = []
    for number, (content, step) in enumerate(drawn, start=1):
        user = content["user"]
        clock[user] = clock.get(user, TEN_IN_THE_EVENING) + step
        events.append(Said(number=number, ms=clock[user], **content))
    if draw(st.booleans()):
        events += draw(_long_visits(events[-1], first=size + 1))
    return events


@st.composite
def _long_visits(draw: st.DrawFn, last: Said, first: int) -> list[Said]:
    """What follows upon an event: about twenty page views at one pace, now and then with something beside them."""
    kinds = ["page_view"] * draw(st.integers(19, 23)) + draw(st.sampled_from(_ASIDE))
    pages = cycle(draw(st.lists(st.sampled_from(list(PAGES)), min_size=1, max_size=7)))
    pauses = cycle(draw(st.sampled_from(_PACES)))
    agent, start = draw(st.sampled_from(list(AGENTS))), last.ms + draw(st.sampled_from(_STEPS))
    times = accumulate(pauses, initial=start)
    return [
        replace(last, number=number, kind=kind, ms=ms, page=page, agent=agent)
        for number, kind, ms, page in zip(count(first), kinds, times, pages, strict=False)
    ]


@st.composite
def repeats(draw: st.DrawFn, events: list[Said], most: int = 8) -> list[Copy]:
    """Every event once and some again, each written in some style."""
    again = draw(st.lists(st.sampled_from(events), max_size=most))
    return [(said, draw(st.sampled_from(STYLES))) for said in [*events, *again]]


@st.composite
def impostors(draw: st.DrawFn, events: list[Said], most: int = 6) -> list[Copy]:
    """Events under the ids of others."""
    size = draw(st.integers(0, most))
    pairs = draw(st.lists(st.tuples(st.sampled_from(events), st.sampled_from(events)), min_size=size, max_size=size))
    return [(replace(said, number=owner.number), "plain") for said, owner in pairs]


@dataclass(frozen=True)
class Delivery:
    """Slices in the order in which they are applied; a slice may begin before what the ledger covers already."""

    slices: list[tuple[int, int, int]]  # partition, first offset, offset after the last
    topic: list[list[Copy]]  # per partition

    def pieces(self) -> list[Slice]:
        """The slices for the code under test."""
        return [
            piece(WIDE, _values(self.topic[partition][first:end]), partition, first, PARTITIONS, KAFKA_MS)
            for partition, first, end in self.slices
        ]

    def arrived(self) -> list[Arrived]:
        """Every copy once, in the order of the ledger."""
        covered = [0] * PARTITIONS
        copies: list[Arrived] = []
        for partition, _, end in self.slices:
            fresh = range(covered[partition], end)
            copies += [Arrived(partition, offset, self.topic[partition][offset][0]) for offset in fresh]
            covered[partition] = max(covered[partition], end)
        return copies


@st.composite
def deliveries(draw: st.DrawFn, copies: list[Copy]) -> Delivery:
    """The copies in any order, over any partitions, cut into any slices, some delivered again."""
    order = draw(st.permutations(copies))
    topic: list[list[Copy]] = [[] for _ in range(PARTITIONS)]
    slices: list[tuple[int, int, int]] = []
    covered = [0] * PARTITIONS

    def cut(partition: int, back: int) -> None:
        slices.append((partition, max(covered[partition] - back, 0), len(topic[partition])))
        covered[partition] = len(topic[partition])

    for copy in order:
        partition = draw(st.integers(0, PARTITIONS - 1))
        topic[partition].append(copy)
        if draw(st.integers(0, 3)) == 3:
            cut(partition, draw(st.integers(0, 2)))
    for partition in range(PARTITIONS):
        if covered[partition] < len(topic[partition]):
            cut(partition, 0)
    return Delivery(slices, topic)


def one_pass(copies: Iterable[Copy]) -> Delivery:
    """The copies in this order as one slice of one partition."""
    only = list(copies)
    return Delivery([(0, 0, len(only))], [only, *([] for _ in range(PARTITIONS - 1))])


def _values(copies: list[Copy]) -> list[Any]:
    return [written(said, style) for said, style in copies]
