"""Broken records: what can go wrong with an event on its way, and why the contract will refuse it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from clickstream.contract import MAX_EVENT_BYTES, Reason
from clickstream.generator.randomness import choices


@dataclass(frozen=True)
class Fault:
    """A way to break a record's bytes, how often it is chosen, and the reason of its rejection."""

    name: str
    weight: float
    reason: Reason
    apply: Callable[[bytes], bytes]


def _replace(pattern: str, by: bytes) -> Callable[[bytes], bytes]:
    """Replace the first match; every event has what the patterns look for."""
    compiled = re.compile(pattern.encode())
    return lambda value: compiled.sub(lambda _: by, value, count=1)


FAULTS: tuple[Fault, ...] = (
    Fault("truncated", 22, Reason.NOT_JSON, lambda value: value[: len(value) * 2 // 3]),
    Fault("missing_user_id", 9, Reason.CONTRACT, _replace(r'"user_id":"[^"]*",', b"")),
    Fault("missing_event_id", 5, Reason.CONTRACT, _replace(r'"event_id":"[^"]*",', b"")),
    Fault("wrong_type", 12, Reason.CONTRACT, _replace(r'"page_url":"[^"]*"', b'"page_url":404')),
    Fault("zoneless_time", 8, Reason.CONTRACT, _replace(r'(?<="event_time":")[^"]*', b"2026-01-01T00:00:00")),
    Fault("bad_type_name", 6, Reason.CONTRACT, _replace(r'"event_type":"[^"]*"', b'"event_type":"Page View!"')),
    Fault("not_utf8", 8, Reason.NOT_JSON, _replace(r'"page_url":"', b'"page_url":"\xff\xfe')),
    Fault("not_a_number", 8, Reason.NOT_JSON, _replace(r'"user_id":', b'"scroll_depth":NaN,"user_id":')),
    Fault("empty", 4, Reason.NOT_JSON, lambda _: b""),
    Fault("nul_in_text", 5, Reason.CONTRACT, _replace(r'"page_url":"', b'"page_url":"\\u0000')),
    Fault("lone_surrogate", 3, Reason.CONTRACT, _replace(r'"page_url":"', b'"page_url":"\\ud83d')),
    Fault("future", 6, Reason.FUTURE, _replace(r'"event_time":"....', b'"event_time":"2099')),
    Fault("before_2000", 3, Reason.TOO_OLD, _replace(r'"event_time":"....', b'"event_time":"1972')),
    Fault("too_large", 1, Reason.TOO_LARGE, lambda value: value[:-1] + b',"dump":"' + b"x" * MAX_EVENT_BYTES + b'"}'),
)  # fmt: skip
NO_FAULT = len(FAULTS)
FAULT_TABLE = choices([fault.weight for fault in FAULTS])
