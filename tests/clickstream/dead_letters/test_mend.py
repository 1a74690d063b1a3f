"""What a mend makes of a payload, and when the contract takes it back."""

import json
import re
from typing import Any
from uuid import UUID

import pytest

from builders import NOON_MS, encoded, event, event_id, rfc3339
from clickstream.contract import Rejected
from clickstream.dead_letters.letters import Letter, Place
from clickstream.dead_letters.mend import Mended, Mends, judge
from letters import letter

GOOD = event(1, properties={"price": 9.5})
WITHOUT_ID = {name: value for name, value in GOOD.items() if name != "event_id"}


def judged(one: Letter, mends: Mends | None = None, now_ms: int = NOON_MS) -> Mended | Rejected:
    changed = (mends or Mends()).apply(one.payload)
    return changed if isinstance(changed, Rejected) else judge(one, changed, now_ms, 300_000)


def mended(one: Letter, mends: Mends | None = None) -> dict[str, Any]:
    result = judged(one, mends)
    assert isinstance(result, Mended), result
    document: dict[str, Any] = json.loads(result.value)
    assert result.key == document["user_id"].encode()
    assert result.event_id == UUID(document["event_id"])
    return document


@pytest.mark.parametrize(
    ("broken", "options", "expected"),
    [
        ({"user_id": 5}, {"sets": ['user_id="ann"']}, {}),
        ({"user_id": None, "userId": "ann"}, {"renames": ["userId=user_id"]}, {}),
        ({"properties": {"price": -1}}, {"sets": ["properties.price=9.5"]}, {}),
        ({"properties": {"price": "9", "a": 1}}, {"unsets": ["properties.price"]}, {"properties": {"a": 1}}),
        ({"properties": []}, {"sets": ["properties={}", "properties.cart.total=3"]},
         {"properties": {"cart": {"total": 3}}}),
        ({"event_type": "Buy", "old": {"kind": "purchase"}}, {"renames": ["old.kind=event_type"], "unsets": ["old"]},
         {"event_type": "purchase"}),
        ({"user_id": "\ud800"}, {"sets": ['user_id="\\u00e9"']}, {"user_id": "é"}),
        ({"properties": {"x": float("nan")}}, {"unsets": ["properties.x", "not.there"]}, {"properties": {}}),
    ],
)  # fmt: skip
def test_changes_make_an_event_that_is_taken(
    broken: dict[str, Any], options: dict[str, list[str]], expected: dict[str, Any]
) -> None:
    mends = Mends.parse(options.get("renames", []), options.get("unsets", []), options.get("sets", []))
    assert mended(letter(encoded({**GOOD, **broken})), mends) == {**GOOD, **expected}


def test_the_order_is_rename_unset_set() -> None:
    mends = Mends.parse(["a=b"], ["b"], ["c=1"])
    assert mends.apply(b'{"a": 1, "c": 0}') == b'{"c":1}'


@pytest.mark.parametrize("usable", [None, "", "x", 7, "{6f9619ff-8b86-d011-b42d-00c04fc964ff}", ["a"]])
def test_an_event_without_a_usable_id_gets_the_one_of_its_place(usable: Any) -> None:
    first, same, other = (letter(encoded({**GOOD, "event_id": usable}), offset) for offset in (7, 7, 8))
    assert mended(first)["event_id"] == mended(same)["event_id"] == str(first.place.event_id)
    assert mended(first)["event_id"] != mended(other)["event_id"]
    assert mended(letter(encoded(WITHOUT_ID), 7)) == {**GOOD, "event_id": str(first.place.event_id)}


def test_the_id_of_a_place_never_changes() -> None:
    """Events that were sent back last year must still be repeats this year."""
    assert Place("clickstream.events", 0, 1234).event_id == UUID("0b28b900-3f2f-5657-8108-aa64e16cd622")


def test_what_needs_no_mend_is_sent_as_it_came() -> None:
    value = json.dumps(GOOD, indent=3).encode()
    assert judged(letter(value, reason="future")) == Mended(b"ann", value, UUID(event_id(1)))


@pytest.mark.parametrize(
    ("payload", "mends", "reason", "detail"),
    [
        (None, Mends(), "not_json", "empty record"),
        (None, Mends(sets=(("user_id", "ann"),)), "not_json", "empty record"),
        (b"", Mends(), "not_json", "empty record"),
        (b"{", Mends(sets=(("user_id", "ann"),)), "not_json", "export it and edit the text"),
        (b"[1]", Mends(sets=(("user_id", "ann"),)), "contract", "expected an object, got list"),
        (b'{"a":' * 2_000 + b"1" + b"}" * 2_000, Mends(unsets=("a",)), "not_json", "nested too deeply"),
        (b"{}", Mends(), "contract", "event_type"),
        (encoded({**GOOD, "user_id": ""}), Mends(), "contract", "$.user_id"),
        (encoded({**WITHOUT_ID, "user_id": ""}), Mends(), "contract", "$.user_id"),
        (encoded({**GOOD, "properties": 3}), Mends(sets=(("properties.price", 1),)), "contract", "got int - at `$.pr"),
        (encoded({**GOOD, "properties": {"x": "\ud800"}}), Mends(sets=(("user_id", "bob"),)), "contract", "surrogate"),
        (encoded({**GOOD, "x": "a" * 70_000}), Mends(), "too_large", "bytes"),
    ],
)  # fmt: skip
def test_what_is_still_wrong_is_refused(payload: bytes | None, mends: Mends, reason: str, detail: str) -> None:
    result = judged(letter(payload), mends)
    assert isinstance(result, Rejected)
    assert (str(result.reason), detail in result.detail) == (reason, True), result


def test_a_letter_from_the_future_waits_for_its_time() -> None:
    early = letter(encoded(GOOD), reason="future")
    refused = judged(early, now_ms=NOON_MS - 300_001)
    assert isinstance(refused, Rejected)
    assert str(refused.reason) == "future"
    assert isinstance(judged(early, now_ms=NOON_MS - 300_000), Mended)
    old = letter(encoded({**GOOD, "event_time": rfc3339(0)}), reason="too_old")
    assert str(getattr(judged(old), "reason", None)) == "too_old"


def test_a_conflict_needs_another_id() -> None:
    twin = letter(encoded(GOOD), 5, reason="conflict")
    refused = judged(twin, Mends(sets=(("user_id", "bob"),)))
    assert isinstance(refused, Rejected)
    assert str(refused.reason) == "conflict"
    assert "--unset event_id" in refused.detail
    assert mended(twin, Mends(unsets=("event_id",)))["event_id"] == str(twin.place.event_id)
    assert mended(twin, Mends(sets=(("event_id", event_id(2)),)))["event_id"] == event_id(2)


@pytest.mark.parametrize(
    ("renames", "unsets", "sets", "told"),
    [
        (["a"], [], [], "--rename: 'a' is not like old=new"),
        (["a="], [], [], "--rename: '' is no field"),
        ([], ["a..b"], [], "--unset: 'a..b' is no field"),
        ([], [], ["user_id"], "--set: 'user_id' is not like field=JSON"),
        ([], [], ["user_id=ann"], "text needs quotes: --set 'user_id=\"…\"'"),
        ([], [], ["properties.price=NaN"], "'NaN' is not JSON"),
    ],
)
def test_wrong_mends_are_named(renames: list[str], unsets: list[str], sets: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        Mends.parse(renames, unsets, sets)


@pytest.mark.parametrize(
    "text", ["", "a", "a/0", "a/0/", "/0/1", "a/-1/2", "a/0/x", "a/0/٣", "a/0/99999999999999999999"]
)
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match="is no place"):
        Place.parse(text)
    assert Place.parse("a.b/1/20") == Place("a.b", 1, 20)
