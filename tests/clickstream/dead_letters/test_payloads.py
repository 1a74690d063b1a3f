"""Hostile payloads, made safe to look at and to edit."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream.dead_letters.payloads import exported, head, json_line, pretty, visible
from letters import letter


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢 🛒 [bold]x[/]", "plain é 漢 🛒 [bold]x[/]"),
        ("\x1b[2J\x07\x00\x7f", "\\u001b[2J\\u0007\\u0000\\u007f"),
        ("a\r\n\tb", "a\\u000d\\u000a\\u0009b"),
        ("\x9b31m\u202egnp\u200b\u2028", "\\u009b31m\\u202egnp\\u200b\\u2028"),
        ("\ud800 \U000e0041", "\\ud800 \\udb40\\udc41"),
    ],
)
def test_nothing_that_a_terminal_obeys_is_left(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (None, "(no value)"),
        (b"", "(empty)"),
        (b'{"a": 1}', '{"a": 1}'),
        (b"\xff\x1b[31m", "\\xff\\u001b[31m"),
        (b"x" * 81, "x" * 80 + "…"),
    ],
)
def test_the_head_is_one_line(payload: bytes | None, shown: str) -> None:
    assert head(payload) == shown


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (None, "(no value)"),
        (b'{"a":{"b":[1]},"c":"\\u001b[31m\\u202e"}',
         '{\n  "a": {\n    "b": [\n      1\n    ]\n  },\n  "c": "\\u001b[31m\\u202e"\n}'),
        (b'{"a":1,"a":2}', '{"a":1,"a":2}'),
        (b"not\njson\x1b", "not\njson\\u001b"),
        (b"\xff\xfe{\x00", "00000000  ff fe 7b 00                                      ..{."),
        (b"\xff" * 1_025, "\n".join(f"{row:08x}  {'ff ' * 15}ff  {'.' * 16}" for row in range(0, 1_024, 16))
         + "\n… 1 bytes more (--raw has all)"),
        (b"x" * 65_537, "x" * 65_536 + "\n… 1 characters more (--raw has all)"),
    ],
)  # fmt: skip
def test_a_payload_to_read(payload: bytes | None, shown: str) -> None:
    assert pretty(payload) == shown


def test_the_deepest_is_shown_too() -> None:
    deep = b"[" * 100_000
    assert pretty(deep).startswith("[[[[")
    assert exported(letter(deep))["payload"] == deep.decode()


@pytest.mark.parametrize(
    ("payload", "key", "value"),
    [
        (None, "payload", None),
        (b'{"n": 123456789012345678901234567890, "f": "\\u00e9"}', "payload", {"n": 123456789012345678901234567890,
                                                                              "f": "é"}),
        (b'\xef\xbb\xbf{"a": 1}', "payload", {"a": 1}),
        ('{"a": 1}'.encode("utf-16"), "payload", {"a": 1}),
        (b'{"a": NaN}', "payload", '{"a": NaN}'),
        (b'{"a": "\\ud800"}', "payload", '{"a": "\\ud800"}'),
        (b"[1]", "payload", "[1]"),
        (b"{", "payload", "{"),
        (b"\xff", "payload_base64", "/w=="),
    ],
)  # fmt: skip
def test_an_export_holds_every_payload(payload: bytes | None, key: str, value: Any) -> None:
    document = exported(letter(payload))
    assert document == {
        "topic": "events", "partition": 0, "offset": 0, "kafka_time": "2026-06-01T12:00:00.000+00:00",
        "reason": document["reason"], "detail": document["detail"], "replayed_at": None, "replayed_event_id": None,
        key: value,
    }  # fmt: skip
    assert json.loads(json_line(document)) == document


@given(st.binary(max_size=200) | st.text(st.characters(codec=None)).map(lambda text: json.dumps({"a": text}).encode()))
def test_whatever_comes_can_be_shown_and_exported(payload: bytes) -> None:
    one = letter(payload, reason="contract")
    assert head(payload).isprintable()
    assert all(line.isprintable() for line in pretty(payload).split("\n"))
    line = json_line(exported(one))
    assert line.isprintable()
    json.loads(line)
