"""Which records are a user's, whether they can be read or not. Pure."""

import json
import re

from clickstream.erasure.tombstones import owner

_ESCAPES = re.compile(rb"(?:\\u[0-9a-fA-F]{4})+|\\[^u]")
# Beside an id, bytes that would make it part of another word; those from 128 on are letters of UTF-8.
_WORD = rb"[\w\x80-\xff-]"


def is_theirs(value: bytes | None, user_id: str) -> bool:
    """Whether a record is the user's: it says so, or it tells no user and has the id as a word of its own."""
    told = owner(value)
    return told == user_id if told is not None else _names(value or b"", user_id.encode())


def _names(value: bytes, user: bytes) -> bool:
    """The id may stand there by any of JSON's escapes: zo\\u00eb, a\\/b."""
    word = rb"(?<!%b)%b(?!%b)" % (_WORD, re.escape(user), _WORD)
    forms = [_ESCAPES.sub(_unescaped, value), *([value] if b"\\" in user else [])]
    return any(re.search(word, form) for form in forms)


def _unescaped(escape: re.Match[bytes]) -> bytes:
    sign = escape[0][1:]
    if sign.startswith(b"u"):
        text: str = json.loads(b'"%b"' % escape[0])
        return text.encode("utf-8", "replace")
    return b" " if sign in b"bfnrt" else sign
