"""The contract: what is accepted, and the reason for everything else."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOON_MS, encoded, event
from clickstream.contract import (
    Accepted,
    Event,
    Properties,
    Reason,
    Rejected,
    decode,
    encode,
    json_schema,
    time_is_refused,
    time_rejection,
)

ROOT = Path(__file__).parents[2]
GOOD = event(1, properties={"price": 9.5, "quantity": 2, "colour": "red"})


def accepted(value: bytes) -> Accepted:
    result = decode(value)
    assert isinstance(result, Accepted), result
    return result


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        (None, Reason.NOT_JSON, "empty record"),
        (b"", Reason.NOT_JSON, "empty record"),
        (b"{", Reason.NOT_JSON, "truncated"),
        (b"\xef\xbb\xbf" + encoded(GOOD), Reason.NOT_JSON, "malformed"),
        (b"\xff\xfe", Reason.NOT_JSON, "utf-8"),
        (encoded(GOOD).replace(b'"red"', b'"\xff"'), Reason.NOT_JSON, "utf-8"),
        (encoded(GOOD).replace(b"9.5", b"NaN"), Reason.NOT_JSON, "malformed"),
        (b"[]", Reason.CONTRACT, "expected an object, got list"),
        (b"null", Reason.CONTRACT, "expected an object"),
        (b"[" * 2_000 + b"]" * 2_000, Reason.CONTRACT, "nested too deeply"),
        (b'{"a":' * 1_000 + b"1" + b"}" * 1_000, Reason.CONTRACT, "nested too deeply"),
        (encoded({**GOOD, "event_id": "x"}), Reason.CONTRACT, "$.event_id"),
        (encoded({**GOOD, "event_type": "Page View"}), Reason.CONTRACT, "$.event_type"),
        (encoded({**GOOD, "event_type": "click\n"}), Reason.CONTRACT, "$.event_type"),
        (encoded({**GOOD, "event_type": "x" * 41}), Reason.CONTRACT, "$.event_type"),
        (encoded({**GOOD, "event_time": "2026-06-01T12:00:00"}), Reason.CONTRACT, "$.event_time"),
        (encoded({**GOOD, "event_time": 1_780_315_200}), Reason.CONTRACT, "$.event_time"),
        (encoded({**GOOD, "user_id": ""}), Reason.CONTRACT, "$.user_id"),
        (encoded({**GOOD, "user_id": "x" * 129}), Reason.CONTRACT, "$.user_id"),
        (encoded({**GOOD, "user_id": "a\0b"}), Reason.CONTRACT, "NUL (\\u0000) - at `$.user_id`"),
        (encoded({**GOOD, "user_id": "\ud800"}), Reason.CONTRACT, "lone surrogate - at `$.user_id`"),
        (encoded({**GOOD, "properties": {"x": "a\udc00b"}}), Reason.CONTRACT, "lone surrogate"),
        (encoded({**GOOD, "properties": {"a\0": 1}}), Reason.CONTRACT, "NUL"),
        (encoded({**GOOD, "page_url": None}), Reason.CONTRACT, "$.page_url"),
        (encoded({**GOOD, "page_url": "x" * 2_049}), Reason.CONTRACT, "$.page_url"),
        (encoded({**GOOD, "properties": [1]}), Reason.CONTRACT, "$.properties"),
        (encoded({**GOOD, "properties": {"price": -1}}), Reason.CONTRACT, ">= 0.0 - at `$.properties.price`"),
        (encoded({**GOOD, "properties": {}, "price": -1}), Reason.CONTRACT, ">= 0.0 - at `$.price`"),
        (encoded({**GOOD, "price": 1, "properties": {"price": "9"}}), Reason.CONTRACT, "- at `$.properties.price`"),
        (encoded({**GOOD, "properties": {"order_id": 7}, "user_id": 1}), Reason.CONTRACT, "`$.properties.order_id`"),
        (encoded({**GOOD, "properties": {"price": 10**30}}), Reason.CONTRACT, "$.properties.price"),
        (encoded({**GOOD, "properties": {"scroll_depth": 101}}), Reason.CONTRACT, "$.properties.scroll_depth"),
        (encoded({**GOOD, "properties": {"a": [[[[[[[[1]]]]]]]]}}), Reason.CONTRACT, "more than 8 levels"),
        (encoded(GOOD).replace(b'"red"', b"1e99999"), Reason.CONTRACT, "out of range"),
        (encoded({**GOOD, "properties": {"x": "a" * 16_384}}), Reason.TOO_LARGE, "$.properties"),
        (encoded({**GOOD, "x": "a" * 70_000}), Reason.TOO_LARGE, "at most 65,536"),
        (b"{" + b" " * 5_000_000 + b"}", Reason.TOO_LARGE, "5,000,002 bytes"),
    ],
)  # fmt: skip
def test_a_bad_record_has_a_reason_and_names_the_field(value: bytes | None, reason: Reason, detail: str) -> None:
    result = decode(value)
    assert isinstance(result, Rejected)
    assert result.reason == reason
    assert detail in result.detail


@pytest.mark.parametrize("field", ["event_id", "event_type", "event_time", "user_id", "page_url"])
def test_required_fields(field: str) -> None:
    result = decode(encoded({key: value for key, value in GOOD.items() if key != field}))
    assert result == Rejected(Reason.CONTRACT, f"Object missing required field `{field}`")


def test_optional_fields_may_be_null_or_absent() -> None:
    bare = accepted(encoded({**event(1), "session_id": None, "referrer": None, "user_agent": None, "properties": None}))
    assert bare.properties == Properties()
    assert bare.properties_json == b"{}"


def test_unknown_fields_are_kept_in_properties() -> None:
    result = accepted(encoded({**GOOD, "ab_test": "b"}))
    assert json.loads(result.properties_json) == {"ab_test": "b", "price": 9.5, "quantity": 2, "colour": "red"}
    assert (result.properties.price, result.properties.quantity) == (9.5, 2)


@pytest.mark.parametrize(
    "properties",
    [
        {"n": 10**30},
        {"wide": [[1]] * 50},
        {"deep": [[[[[[[1]]]]]]]},
        {"text": "escaped \\u0000 is four letters"},
        {"hash": "0e12345"},
        {"emoji": "\U0001f6d2"},
    ],
)
def test_odd_but_storable_properties_are_accepted(properties: dict[str, Any]) -> None:
    assert json.loads(accepted(encoded({**GOOD, "properties": properties})).properties_json) == properties


def test_time_is_judged_by_the_kafka_time() -> None:
    oldest = 946_684_800_000
    times = np.array([NOON_MS + 300_000, NOON_MS + 300_001, oldest, oldest - 1])
    refused = time_is_refused(times, np.full(4, NOON_MS), 300_000)
    assert refused.tolist() == [False, True, False, True]
    assert time_rejection(NOON_MS + 300_001, NOON_MS, 300_000) == Rejected(
        Reason.FUTURE, "event_time is 300 s after its Kafka time"
    )
    too_old = time_rejection(oldest - 1, NOON_MS, 300_000)
    assert too_old is not None
    assert too_old.reason == Reason.TOO_OLD
    assert time_rejection(oldest, NOON_MS, 300_000) is None


def test_what_a_producer_writes_the_stream_reads() -> None:
    written = msgspec.convert({**GOOD, "referrer": "https://a.example/"}, Event)
    read = accepted(encode(written)).event
    for field in ("event_id", "event_type", "event_time", "user_id", "page_url", "referrer"):
        assert getattr(read, field) == getattr(written, field)


def test_the_committed_schema_is_the_contract() -> None:
    assert json.loads((ROOT / "docs" / "event.schema.json").read_text()) == json_schema()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_nothing_raises(value: bytes) -> None:
    assert isinstance(decode(value), Accepted | Rejected)


@given(st.dictionaries(st.sampled_from([*GOOD, "x", "y"]), json_values))
def test_an_event_with_any_field_replaced_is_accepted_or_refused(fields: dict[str, Any]) -> None:
    result = decode(json.dumps({**GOOD, **fields}).encode())
    if isinstance(result, Accepted):
        text = result.properties_json.decode()
        assert "\\u0000" not in text.replace("\\\\", "")
        assert len(result.properties_json) <= 16_384
    else:
        assert result.detail
