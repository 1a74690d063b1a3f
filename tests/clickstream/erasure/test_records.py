"""Whose a record is when it does not say so in a way that can be read."""

import json

import pytest

from clickstream.erasure.records import is_theirs


@pytest.mark.parametrize(
    ("value", "user", "theirs"),
    [
        (b'{"user_id": "zo\\u00eb"}', "zo\u00eb", True),
        (b'{"user_id": "ann", "page_url": "/bob"}', "bob", False),
        (b"GET /?visitor=ann HTTP/1.1", "ann", True),
        (b"ann", "ann", True),
        (b"['ann']", "ann", True),
        (b'{"visitor":"zo\\u00eb"', "zo\u00eb", True),
        (b'{"visitor":"zo\\u00EB"', "zo\u00eb", True),
        ('{"visitor":"zo\u00eb"'.encode(), "zo\u00eb", True),
        (json.dumps(json.dumps({"visitor": "ann"})).encode(), "ann", True),
        (json.dumps(["\U0001f642-1"])[:-1].encode(), "\U0001f642-1", True),
        (b'["a\\/b', "a/b", True),
        (b'["a\\"b', 'a"b', True),
        (b"a\\b is no JSON", "a\\b", True),
        (b'["seen\\nann', "ann", True),
        (b"ann-2 annex _ann 1ann", "ann", False),
        ("zo\u00eb".encode(), "zo", False),
        (b'["zo\\u00eb', "zo", False),
        (b'["\\ud83d', "ann", False),
        (b"", "ann", False),
        (None, "ann", False),
    ],
)
def test_whose_a_record_is(value: bytes | None, user: str, theirs: bool) -> None:
    assert is_theirs(value, user) is theirs
