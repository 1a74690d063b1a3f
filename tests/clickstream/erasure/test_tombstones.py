"""What a slice becomes when some of its users were erased."""

import pytest

from builders import encoded, event, piece
from clickstream.erasure.tombstones import DETAIL, NOBODY, Tombstones, owner, user_hash, without_erased
from clickstream.slice import decode_slice

pytestmark = pytest.mark.usefixtures("hash_key")

VALUES = [
    encoded(event(1, user="ann")),
    encoded(event(2, user="bob")),
    encoded(event(3, user="ann") | {"event_type": "No Type"}),
    encoded(event(4, user="bob") | {"event_type": "No Type"}),
    b'{"user_id": "ann", "cut',
    None,
]


@pytest.mark.parametrize(
    ("value", "user"),
    [
        (encoded(event(1, user="zoë")), "zoë"),
        (b'{"user_id": "ann"}', "ann"),
        (b'{"properties": {"a": 1}, "user_id" :"a\\"b", ', 'a"b'),
        (b'{"user_id": 7}', None),
        (b'{"user_id": "\\uZZZZ", ', None),
        (b"\xff\xfe", None),
        (None, None),
    ],
)
def test_whose_a_record_is(value: bytes | None, user: str | None) -> None:
    assert owner(value) == user


def test_nobody_was_erased() -> None:
    decoded = decode_slice(piece("t", VALUES).records, 300_000)
    assert without_erased(decoded, NOBODY) is decoded


def test_their_records_are_refused_without_their_bytes() -> None:
    decoded = decode_slice(piece("t", VALUES).records, 300_000)
    left = without_erased(decoded, Tombstones(frozenset([user_hash("ann")]), b"key"))
    assert left.events["user_id"].to_list() == ["bob"]
    letters = left.dead_letters.sort("kafka_offset").select("kafka_offset", "reason", "payload").rows()
    assert letters == [
        (0, "erased", None), (2, "erased", None), (3, "contract", VALUES[3]), (4, "erased", None), (5, "not_json", None)
    ]  # fmt: skip
    assert left.dead_letters["detail"].to_list().count(DETAIL) == 3
    assert user_hash("ann") != user_hash("bob")
