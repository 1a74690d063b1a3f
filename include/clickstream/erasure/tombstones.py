"""Who was erased: keyed hashes, and what the stream does with records of such users."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl
import psycopg

from clickstream.contract import UNREADABLE, Reason
from clickstream.settings import settings
from clickstream.slice import Decoded

_NO_USER = "\0"  # no user id holds NUL
DETAIL = "a record of a user who was erased; its bytes are not kept"


class _Owner(msgspec.Struct, gc=False):
    user_id: str


_read_owner = msgspec.json.Decoder(_Owner).decode
_read_text = msgspec.json.Decoder(str).decode
_OWNER = re.compile(rb'"user_id"\s*:\s*("(?:[^"\\]|\\.)*")')


class TombstoneError(Exception):
    """The platform's key is not there, or not the one that the tombstones were made with: told with what to do."""


@dataclass(frozen=True)
class Tombstones:
    """The hashes of all erased users, and the key to compare with; travels with a task to where no settings are."""

    hashes: frozenset[bytes]
    key: bytes

    def __bool__(self) -> bool:
        return bool(self.hashes)

    def cover(self, user_id: str) -> bool:
        """Whether the user was erased."""
        return _keyed(self.key, user_id) in self.hashes

    def cover_record(self, value: bytes | None) -> bool:
        """Whether a record tells a user who was erased."""
        user = owner(value)
        return user is not None and self.cover(user)


NOBODY = Tombstones(frozenset(), b"")


def user_hash(user_id: str) -> bytes:
    """HMAC-SHA256 of a user id by the platform's key. Raises TombstoneError without a key: it could be undone."""
    key = _platform_key()
    if not key:
        raise TombstoneError(
            "CLICKSTREAM_USER_HASH_KEY is empty: a tombstone is a keyed hash. Set the key that the platform's other"
            " parts have (`make up` makes one; it is in .local/), and keep it"
        )
    return _keyed(key, user_id)


def key_check() -> bytes:
    """What is stored beside the tombstones, to know their key by. Raises TombstoneError without a key."""
    return user_hash(_NO_USER)


def owner(value: bytes | None) -> str | None:
    """The user id that a record tells, be it an event or not, even when it is cut off; None where it tells none."""
    try:
        return _read_owner(value or b"").user_id
    except UNREADABLE:
        told = _OWNER.search(value or b"")
    try:
        return _read_text(told[1]) if told else None
    except UNREADABLE:
        return None


def erased_users(cursor: psycopg.Cursor[Any]) -> Tombstones:
    """All tombstones of the warehouse. Raises TombstoneError when they were made with another key than ours."""
    cursor.execute("select user_hash from clickstream.erased_users")
    hashes = frozenset(bytes(found) for (found,) in cursor.fetchall())
    if hashes:
        require_key(cursor)
    return Tombstones(hashes, _platform_key())


def require_key(cursor: psycopg.Cursor[Any]) -> None:
    """Raises TombstoneError unless the tombstones, if there are any, were made with the platform's key."""
    ours = key_check()
    cursor.execute("select key_check from clickstream.tombstone_key")
    if any(bytes(found) != ours for (found,) in cursor.fetchall()):
        raise TombstoneError(
            "CLICKSTREAM_USER_HASH_KEY is not the key that the tombstones were made with: users who were erased would"
            " be stored again. Set the old key; what to do when it is lost: docs/privacy.md"
        )


def without_erased(decoded: Decoded, erased: Tombstones) -> Decoded:
    """A slice in which every record of an erased user is a dead letter (``erased``) without payload."""
    if not erased:
        return decoded
    users = [user for user in decoded.events["user_id"].unique() if erased.cover(user)]
    theirs = pl.col("user_id").is_in(users)
    letters = decoded.dead_letters
    refused = pl.Series([erased.cover_record(payload) for payload in letters["payload"]], dtype=pl.Boolean)
    found = (decoded.events.filter(theirs), letters.filter(refused))
    emptied = pl.concat([frame.select("kafka_offset", "kafka_ms") for frame in found]).with_columns(
        reason=pl.lit(str(Reason.ERASED)), detail=pl.lit(DETAIL), payload=pl.lit(None, pl.Binary)
    )
    return Decoded(decoded.events.filter(~theirs), pl.concat([letters.filter(~refused), emptied]))


def _platform_key() -> bytes:
    return settings().user_hash_key.get_secret_value().encode()


def _keyed(key: bytes, user_id: str) -> bytes:
    return hmac.digest(key, user_id.encode(), hashlib.sha256)
