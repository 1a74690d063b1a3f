"""The generator's traffic as the minutes that the stream would judge, without making a record of it.

The generator decides everything in numbers before it writes JSON. Counting those is fifty times as fast as writing,
reading and folding the records, and a test holds both ways equal. What is not in a minute `GRACE` after its end (late
phones) is not counted, as in the stream.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np

from clickstream.anomalies.scoring import GRACE
from clickstream.anomalies.series import SEEN_MINUTES, WINDOW_MINUTES, Minute
from clickstream.counts import LOAD_BUCKET_BASE, MINUTE_MS
from clickstream.generator.catalog import PRICES
from clickstream.generator.events import TYPES, Rows, rows
from clickstream.generator.faults import NO_FAULT
from clickstream.generator.options import GeneratorOptions
from clickstream.generator.randomness import I64
from clickstream.generator.records import load_ms, quantities
from clickstream.generator.sessions import COVERT_BOTS, DECLARED_BOTS, MAX_REACH_MS, skeletons
from clickstream.generator.simulation import records_per_session
from clickstream.generator.visitors import COVERT_BOT, DECLARED_BOT
from clickstream.live import load_percentile

_BLOCK = 20  # minutes of sessions worked out at once: few enough for the cache, enough to be quick
_BUCKETS = 256
_GRACE_MS = int(GRACE.total_seconds()) * 1_000
_PRICES_E4 = np.rint(np.array(PRICES) * 10_000).astype(np.int64)
_VIEW, _CHECKOUT, _PURCHASE = (TYPES.index(name) for name in ("page_view", "begin_checkout", "purchase"))


def minutes(
    options: GeneratorOptions, start: datetime, length: int, progress: Callable[[int], None] = lambda _: None
) -> list[Minute]:
    """``length`` minutes from ``start`` (a whole minute, with a zone); ``progress`` is told how many more are done."""
    first = int(start.timestamp()) // 60
    counted = _Counts(options, first - WINDOW_MINUTES, length + WINDOW_MINUTES)
    each = records_per_session(options)
    for begin in range(counted.first - MAX_REACH_MS // MINUTE_MS - 1, first + length, _BLOCK):
        block = range(begin, min(begin + _BLOCK, first + length))
        counted.add(rows(options, np.concatenate([skeletons(options, minute, each) for minute in block])), block.stop)
        progress(len(range(max(block.start, first), block.stop)))
    return counted.minutes()[WINDOW_MINUTES:]


class _Counts:
    """Counts of ``length`` minutes from ``first`` (minutes since 1970)."""

    def __init__(self, options: GeneratorOptions, first: int, length: int) -> None:
        self.first = first
        self._options, self._length = options, length
        names = ("events", "checkouts", "purchases", "revenue_e4", "read", "rejected")
        self._sums = {name: np.zeros(length, dtype=np.int64) for name in names}
        self._loads = np.zeros((length, _BUCKETS), dtype=np.int64)
        users = options.users + DECLARED_BOTS + COVERT_BOTS
        self._seen = np.full(users, -SEEN_MINUTES)  # the last minute of each user
        self._coming = np.zeros(length + SEEN_MINUTES, dtype=np.int64)  # how many more are active than a minute before
        self._pending: I64 = np.empty(0, dtype=np.int64)  # minute * users + user

    def add(self, sent: Rows, stop: int) -> None:
        """Count rows; those of minutes before ``stop`` (since 1970) are all here or were added before."""
        emitted = sent["emit"] // MINUTE_MS - self.first
        self._count("read", emitted)
        self._count("rejected", emitted[sent["fault"] != NO_FAULT])
        at = sent["time"] // MINUTE_MS - self.first
        in_time = sent["emit"] < (sent["time"] // MINUTE_MS + 1) * MINUTE_MS + _GRACE_MS
        stored = in_time & (sent["fault"] == NO_FAULT) & (sent["repeat"] == 0) & (sent["kind"] != DECLARED_BOT)
        stored &= (at >= 0) & (at < self._length)
        people, at = sent[stored], at[stored]
        self._count("events", at)
        self._count("checkouts", at[people["type"] == _CHECKOUT])
        bought = people["type"] == _PURCHASE
        self._count("purchases", at[bought])
        prices = np.where(people["product"][bought] >= 0, _PRICES_E4[people["product"][bought]], 0)
        np.add.at(self._sums["revenue_e4"], at[bought], prices * quantities(people[bought]))
        viewed = people["type"] == _VIEW
        load = np.maximum(load_ms(self._options, people[viewed]), 1)
        bucket = np.floor(np.log(load) / np.log(LOAD_BUCKET_BASE)).astype(np.int64)
        self._loads += np.bincount(at[viewed] * _BUCKETS + bucket, minlength=self._loads.size).reshape(-1, _BUCKETS)
        visible = people["kind"] != COVERT_BOT
        self._see(at[visible] * len(self._seen) + people["user"][visible], stop - self.first)

    def _count(self, name: str, at: I64) -> None:
        within = at[(at >= 0) & (at < self._length)]
        self._sums[name] += np.bincount(within, minlength=self._length)

    def _see(self, pairs: I64, stop: int) -> None:
        """Each user is active for SEEN_MINUTES from a minute with an event on."""
        pairs = np.unique(np.concatenate([self._pending, pairs]))
        whole = np.searchsorted(pairs, stop * len(self._seen))
        self._pending = pairs[whole:]
        at, user = np.divmod(pairs[:whole], len(self._seen))
        order = np.lexsort((at, user))
        at, user = at[order], user[order]
        before = np.where(user == np.roll(user, 1), np.roll(at, 1), self._seen[user])
        before[:1] = self._seen[user[:1]]
        np.add.at(self._coming, np.maximum(at, before + SEEN_MINUTES), 1)
        np.add.at(self._coming, at + SEEN_MINUTES, -1)
        self._seen[user] = at

    def minutes(self) -> list[Minute]:
        """All of them, in order."""
        window = np.ones(WINDOW_MINUTES, dtype=np.int64)
        lately = {name: np.convolve(values, window)[: self._length] for name, values in self._sums.items()}
        active = np.cumsum(self._coming)
        return [
            Minute(
                minute=datetime.fromtimestamp((self.first + at) * 60, UTC),
                events=int(self._sums["events"][at]),
                active_users=int(active[at]),
                checkouts=int(lately["checkouts"][at]),
                purchases=int(lately["purchases"][at]),
                revenue=float(lately["revenue_e4"][at]) / 10_000,
                loads=int(self._loads[at].sum()),
                load_p75_ms=self._load_p75(at),
                read=float(self._sums["read"][at]),
                rejected=int(self._sums["rejected"][at]),
            )
            for at in range(self._length)
        ]

    def _load_p75(self, at: int) -> float:
        filled = np.flatnonzero(self._loads[at])
        histogram = [{"bucket": bucket, "loads": self._loads[at, bucket]} for bucket in filled.tolist()]
        return load_percentile(histogram, 0.75) if histogram else math.nan
