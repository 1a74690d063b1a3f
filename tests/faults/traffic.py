"""Traffic by a seed, with what each spoilt record must be refused for. Nothing of the code under test is used."""

import json
import random
import uuid
from datetime import UTC, datetime
from typing import Any, NamedTuple

PARTITIONS = 2
GAP_MS = 1_800_000
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_KINDS = ["page_view"] * 8 + ["click", "search", "view_item", "view_item", "add_to_cart", "begin_checkout", "purchase"]
_PEOPLE = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
_BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


class Record(NamedTuple):
    """What is produced: into which partition, by which user, which bytes."""

    partition: int
    key: bytes
    value: bytes


class Traffic:
    """A shop's visitors. The seed chooses also the shares: repeats, spoilt records, late events, unkeyed users.

    `reasons` tells for the bytes of each spoilt record its reason.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.reasons: dict[bytes, str] = {}
        self._valid: list[Record] = []
        draw = self.random.uniform
        self._repeated, self._spoilt = draw(0.03, 0.2), draw(0.01, 0.05)
        self._late, self._unkeyed = draw(0.1, 0.4), draw(0.05, 0.3)
        self._users = [f"user-{number}" for number in range(150)]
        now = int(datetime.now(UTC).timestamp() * 1_000)
        self._visits = {user: now - _HOUR_MS - self.random.randrange(2 * _DAY_MS) for user in self._users}

    def records(self, count: int) -> list[Record]:
        """The next records, in the order in which they are to be produced."""
        now = int(datetime.now(UTC).timestamp() * 1_000)
        return [self._next(now) for _ in range(count)]

    def good(self, count: int) -> list[Record]:
        """New valid records for a producer that chooses the partitions itself."""
        now = int(datetime.now(UTC).timestamp() * 1_000)
        return [self._event(now) for _ in range(count)]

    def _next(self, now: int) -> Record:
        dice = self.random.random()
        if self._valid and dice < self._repeated:
            return self._repeat()
        if self._valid and dice < self._repeated + self._spoilt:
            return self._spoil(now)
        record = self._event(now)
        self._valid.append(record)
        return record

    def _event(self, now: int) -> Record:
        user = self.random.choice(self._users)
        home = sum(user.encode()) % PARTITIONS
        partition = self.random.randrange(PARTITIONS) if self.random.random() < self._unkeyed else home
        return Record(partition, user.encode(), _bytes(self._document(user, now)))

    def _document(self, user: str, now: int) -> dict[str, Any]:
        kind = self.random.choice(_KINDS)
        path = self.random.choice(["/", "/cart", "/search", *(f"/p/{number}" for number in range(25))])
        document: dict[str, Any] = {
            "event_id": str(uuid.UUID(int=self.random.getrandbits(128), version=4)),
            "event_type": kind,
            "event_time": _rfc3339(self._time(user, now)),
            "user_id": user,
            "page_url": f"https://shop.example{path}",
            "user_agent": _BOT if user.endswith("7") else _PEOPLE,
            "properties": {},
        }
        if kind == "purchase":
            price, quantity = self.random.randrange(1, 50_000) / 100, self.random.randrange(1, 5)
            document["properties"] = {"price": price, "quantity": quantity}
        return document

    def _time(self, user: str, now: int) -> int:
        """Now and then an event of the last days, next to others of its user: a tie, or on the edge of the gap."""
        if self.random.random() >= self._late:
            return now - self.random.randrange(25 * 60_000)
        self._visits[user] += self.random.choice(
            [0, 0, 1, -1, 20_000, -45_000, GAP_MS, GAP_MS + 1, -GAP_MS, -GAP_MS - 1]
        )
        self._visits[user] = min(max(self._visits[user], now - 3 * _DAY_MS), now - 1)
        return self._visits[user]

    def _repeat(self) -> Record:
        """Something said before, near or long ago: the same bytes, or the same content written otherwise."""
        pool = self._valid[-50:] if self.random.random() < 0.5 else self._valid
        record = self.random.choice(pool)
        if self.random.random() < 0.3:
            record = record._replace(partition=self.random.randrange(PARTITIONS))
        if self.random.random() < 0.3:
            again = dict(reversed(json.loads(record.value).items()))
            record = record._replace(value=json.dumps(again, indent=1).encode())
        return record

    def _spoil(self, now: int) -> Record:
        reason = self.random.choice(["not_json", "contract", "too_large", "future", "too_old", "conflict"])
        record = self.random.choice(self._valid)
        document = json.loads(record.value)
        fresh = {**document, "event_id": str(uuid.UUID(int=self.random.getrandbits(128), version=4))}
        if reason == "not_json":
            value = _bytes(fresh)[:-1] + self.random.choice([b"", b"\xff}", b"]"])
        elif reason == "contract":
            value = _bytes(fresh | self.random.choice([{"user_id": ""}, {"page_url": 7}, {"event_type": "Not A Type"}]))
        elif reason == "too_large":
            value = _bytes(fresh | {"page_url": "https://shop.example/" + "x" * 70_000})
        elif reason == "future":
            value = _bytes(fresh | {"event_time": _rfc3339(now + _HOUR_MS)})
        elif reason == "too_old":
            value = _bytes(fresh | {"event_time": "1999-12-31T23:59:59.999Z"})
        else:  # in the partition of the first: there its order, and so the accepted copy, is certain
            value = _bytes(document | {"page_url": f"https://shop.example/other/{self.random.getrandbits(60)}"})
        self.reasons[value] = reason
        return record._replace(value=value)


def _bytes(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _rfc3339(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
