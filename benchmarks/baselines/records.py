"""Kafka records to columns: what both baselines read.

Only the small rules that anybody would take from a library come from `clickstream.enrich`: user agents, pages and their
groups, lists of referrers.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import polars as pl
import pyarrow as pa
import xxhash

from clickstream.enrich import page_group, read_agent, read_page, referrer_medium

from .decode import Bad, Event, Good, Properties, decode, decode_or_reason

OLDEST_MS = 946_684_800_000  # 2000-01-01
FUTURE_TOLERANCE_MS = 300_000
CHUNK = 10_000  # records at once: fewer columns of objects lie about


class Columns(NamedTuple):
    """`events`: one row for each good record; `bad`: the others."""

    events: pl.DataFrame
    bad: list[Bad]


class _Agents(dict[str | None, tuple[str, str, str | None]]):
    def __missing__(self, text: str | None) -> tuple[str, str, str | None]:
        self[text] = found = tuple(read_agent(text))
        return found


class _Places(dict[tuple[str, str | None], tuple[str, str, str]]):
    """(page_url, referrer) → page path, page group, referrer medium."""

    def __missing__(self, key: tuple[str, str | None]) -> tuple[str, str, str]:
        if len(self) > 500_000:
            self.clear()
        page = read_page(key[0])
        self[key] = found = (page.path, page_group(page.path), referrer_medium(key[1], page))
        return found


_agents, _places = _Agents(), _Places()


def read(
    values: Sequence[bytes | None], offsets: Sequence[int], kafka_ms: Sequence[int], history: Sequence[bool]
) -> Columns:
    """Decode, check and enrich records; rows of `events` keep their order."""
    frames, bad = [], []
    for start in range(0, len(values), CHUNK):
        good, rows, refused = _decode_all(values, start)
        hashes = [xxhash.xxh3_64_intdigest(values[row]) >> 1 for row in rows]
        frames.append(_frame(good).with_columns(row=_rows(rows), content_hash=pl.Series(hashes, dtype=pl.Int64)))
        bad += refused
    frame = pl.concat(frames)
    frame = frame.with_columns(
        kafka_offset=pl.Series(offsets, dtype=pl.Int64).gather(frame["row"]),
        kafka_ms=pl.Series(kafka_ms, dtype=pl.Int64).gather(frame["row"]),
        history=pl.Series(history, dtype=pl.Boolean).gather(frame["row"]),
    )
    frame, out_of_time = _check_times(frame)
    return Columns(frame, bad + out_of_time)


def ids(values: Sequence[bytes | None], kafka_ms: Sequence[int]) -> tuple[pl.DataFrame, int]:
    """event_id, event_ms, user_id of the records that `read` would accept, and how many are refused."""
    frames, bad = [], []
    for start in range(0, len(values), CHUNK):
        good, rows, refused = _decode_all(values, start)
        frames.append(
            pl.DataFrame(
                {
                    "row": _rows(rows),
                    "event_id": pl.Series([event.event_id.bytes for event, _, _ in good], dtype=pl.Binary),
                    "event_ms": _milliseconds(good),
                    "user_id": pl.Series([event.user_id for event, _, _ in good], dtype=pl.String),
                }
            )
        )
        bad += refused
    frame = pl.concat(frames)
    frame, out_of_time = _check_times(
        frame.with_columns(kafka_ms=pl.Series(kafka_ms, dtype=pl.Int64).gather(frame["row"]))
    )
    return frame, len(bad) + len(out_of_time)


def _decode_all(values: Sequence[bytes | None], start: int) -> tuple[list[Good], list[int], list[Bad]]:
    """The good records of a chunk, their rows, and the bad ones."""
    good: list[Good] = []
    rows: list[int] = []
    bad: list[Bad] = []
    for row, value in enumerate(values[start : start + CHUNK], start):
        try:
            found: Good | Bad = decode(value or b"")
        except (msgspec.DecodeError, ValueError, RecursionError):
            found = decode_or_reason(value, row)
        if type(found) is Bad:
            bad.append(found)
        else:
            good.append(found)
            rows.append(row)
    return good, rows, bad


def _rows(rows: list[int]) -> pl.Series:
    return pl.Series(rows, dtype=pl.UInt32)


def _check_times(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Bad]]:
    """Split off what lies after its Kafka time or before the century."""
    too_late = pl.col("event_ms") > pl.col("kafka_ms") + FUTURE_TOLERANCE_MS
    too_old = pl.col("event_ms") < OLDEST_MS
    bad = [Bad(row, "future", "event_time is after its Kafka time") for row in frame.filter(too_late)["row"]]
    bad += [Bad(row, "too_old", "event_time is before 2000") for row in frame.filter(too_old)["row"]]
    return frame.filter(~(too_late | too_old)), bad


def _milliseconds(good: list[Good]) -> pl.Series:
    times = pa.array([event.event_time for event, _, _ in good], pa.timestamp("us", "UTC")).cast(pa.int64())
    return pl.Series(times) // 1_000


def _frame(good: list[Good]) -> pl.DataFrame:
    """The columns that an event says itself, and what is derived from it alone."""
    events = [event for event, _, _ in good]
    agents = [_agents[event.user_agent] for event in events]
    places = [_places[event.page_url, event.referrer] for event in events]
    text: dict[str, list[Any]] = {
        name: [getattr(event, name) for event in events]
        for name in ("event_type", "user_id", "session_id", "page_url", "referrer", "user_agent")
    }
    text |= {
        name: [place[i] for place in places] for i, name in enumerate(("page_path", "page_group", "referrer_medium"))
    }
    text |= {name: [agent[i] for agent in agents] for i, name in enumerate(("device", "browser", "bot"))}
    return pl.DataFrame(
        {
            "event_id": pl.Series([event.event_id.bytes for event in events], dtype=pl.Binary),
            "event_ms": _milliseconds(good),
            **{name: pl.Series(column, dtype=pl.String) for name, column in text.items()},
            "product_id": pl.Series([_trimmed(said.product_id) for _, said, _ in good], dtype=pl.String),
            "category": pl.Series([_trimmed(said.category) for _, said, _ in good], dtype=pl.String),
            "properties": pl.Series([raw for _, _, raw in good], dtype=pl.Binary),
            "page_load_ms": pl.Series([properties.page_load_ms for _, properties, _ in good], dtype=pl.Float64),
            "revenue_e4": pl.Series([_revenue(event, properties) for event, properties, _ in good], dtype=pl.Int64),
        }
    )


def _trimmed(text: str | None) -> str | None:
    return text.strip() or None if text else None


def _revenue(event: Event, properties: Properties) -> int:
    if event.event_type != "purchase" or properties.price is None:
        return 0
    return round(properties.price * (1 if properties.quantity is None else properties.quantity) * 10_000)
