"""The simulation: records sent in a window, as a pure function of options and window."""

import math
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

import numpy as np

from clickstream.generator.events import ROW, Rows, rows
from clickstream.generator.options import GeneratorOptions
from clickstream.generator.randomness import cell_generator
from clickstream.generator.records import Batch, encode_rows
from clickstream.generator.schedule import MINUTE_MS
from clickstream.generator.sessions import MAX_REACH_MS, Sessions, from_keys, last_sent_ms, skeletons

_CALIBRATION_STREAM = 3
_CALIBRATION_SESSIONS = 20_000
# Pieces that fit a core's cache; the second is also short against the pace of a live window.
_SESSIONS_AT_ONCE = 4_000
_RECORDS_AT_ONCE = 2_000


def generate(options: GeneratorOptions, start: datetime, end: datetime) -> Iterator[Batch]:
    """The records sent in [start, end), in order of sending, in batches of at most 2,000.

    ``start`` and ``end`` carry a zone (ValueError otherwise). Any split of a window gives the same records in the
    same order. Memory follows the rate, not the length of the window.
    """
    start_ms, end_ms = _milliseconds(start), _milliseconds(end)
    for due in _minutes(options, start_ms, end_ms):
        for first in range(0, len(due), _RECORDS_AT_ONCE):
            yield encode_rows(options, due[first : first + _RECORDS_AT_ONCE])


def _minutes(options: GeneratorOptions, start_ms: int, end_ms: int) -> Iterator[Rows]:
    """The rows sent in each minute of the window, sorted by time of sending."""
    if start_ms >= end_ms:
        return
    first = start_ms // MINUTE_MS
    pending = np.empty(0, dtype=ROW)
    for minute in range(first, -(-end_ms // MINUTE_MS)):
        begun = _under_way(options, start_ms) if minute == first else _starting(options, minute)
        pending = np.concatenate([pending, *_sent(options, begun, start_ms, end_ms)])
        is_due = pending["emit"] < (minute + 1) * MINUTE_MS
        due, pending = pending[is_due], pending[~is_due]
        yield due[np.lexsort((due["key"], due["emit"]))]


def _sent(options: GeneratorOptions, sessions: Sessions, start_ms: int, end_ms: int) -> Iterator[Rows]:
    """The rows of the sessions that are sent in the window."""
    for first in range(0, len(sessions), _SESSIONS_AT_ONCE):
        sent = rows(options, sessions[first : first + _SESSIONS_AT_ONCE])
        yield sent[(sent["emit"] >= start_ms) & (sent["emit"] < end_ms)]


def _starting(options: GeneratorOptions, minute: int) -> Sessions:
    return skeletons(options, minute, records_per_session(options))


def _under_way(options: GeneratorOptions, start_ms: int) -> Sessions:
    """The sessions of the first minute and all earlier ones that may still send something."""
    found = []
    for minute in range((start_ms - MAX_REACH_MS) // MINUTE_MS, start_ms // MINUTE_MS + 1):
        sessions = _starting(options, minute)
        found.append(sessions[last_sent_ms(sessions) >= start_ms])
    return np.concatenate(found)


@lru_cache(maxsize=8)
def records_per_session(options: GeneratorOptions) -> float:
    """How many records a session sends on average, measured: the rate is met whatever the model does."""
    calm = options.model_copy(update={"anomalies_per_day": 0})
    draw = cell_generator(0, _CALIBRATION_STREAM, 0)
    keys = draw.integers(0, 2**64, size=_CALIBRATION_SESSIONS, dtype=np.uint64)
    return len(rows(calm, from_keys(calm, keys, 0))) / _CALIBRATION_SESSIONS


def _milliseconds(time: datetime) -> int:
    if time.tzinfo is None:
        raise ValueError(f"{time.isoformat()} has no zone; say which, for instance {time.isoformat()}Z")
    return math.ceil(round(time.timestamp() * 1e6) / 1_000)
