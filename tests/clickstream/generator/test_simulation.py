"""The simulation as a pure function of (options, window): splits, shares, shape."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.contract import EVENT_TYPES, Accepted, Properties, decode, time_rejection
from clickstream.generator import Batch, GeneratorOptions, Record, generate
from clickstream.generator.faults import FAULTS
from clickstream.generator.visitors import AGENTS

START = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
SMALL = GeneratorOptions(rate=4, users=300, late_share=0.2, duplicate_share=0.2, malformed_share=0.1)
LARGE = GeneratorOptions(rate=100, anomalies_per_day=0)


def records(options: GeneratorOptions, start: datetime, end: datetime) -> list[Record]:
    return [record for batch in generate(options, start, end) for record in batch]


@pytest.fixture(scope="module")
def batches() -> list[Batch]:
    """Twenty minutes of a shop without incidents."""
    return list(generate(LARGE, START, START + timedelta(minutes=20)))


@settings(max_examples=15, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 240_000), max_size=3),
    offset_ms=st.integers(0, 3 * 86_400_000),
    seed=st.integers(0, 2**63 - 1),
)
def test_any_split_of_a_window_gives_the_same_records(cuts: list[int], offset_ms: int, seed: int) -> None:
    options = SMALL.model_copy(update={"seed": seed})
    start = START + timedelta(milliseconds=offset_ms)
    bounds = [start + timedelta(milliseconds=cut) for cut in sorted([0, *cuts, 240_000])]
    whole = records(options, bounds[0], bounds[-1])
    parts = [record for a, b in pairwise(bounds) for record in records(options, a, b)]
    assert parts == whole
    assert len(whole) > 100


def test_a_window_of_microseconds_belongs_to_one_side_only() -> None:
    cut = START + timedelta(seconds=60, microseconds=500)
    end = START + timedelta(seconds=120)
    assert records(SMALL, START, cut) + records(SMALL, cut, end) == records(SMALL, START, end)


def test_other_seeds_give_other_records() -> None:
    end = START + timedelta(minutes=1)
    ids = [{r.value for r in records(SMALL.model_copy(update={"seed": seed}), START, end)} for seed in (1, 2)]
    assert ids[0] - {b""} and not (ids[0] & ids[1]) - {b""}


def test_an_empty_window_is_empty_and_a_time_without_zone_is_refused() -> None:
    assert records(SMALL, START, START) == []
    with pytest.raises(ValueError, match="has no zone"):
        records(SMALL, datetime(2026, 1, 1), START)


def test_records_are_in_order_of_sending_within_the_window_and_keyed_by_user(batches: list[Batch]) -> None:
    found = [record for batch in batches for record in batch]
    times = [record.emit_ms for record in found]
    begin = int(START.timestamp() * 1_000)
    assert times == sorted(times)
    assert begin <= times[0] and times[-1] < begin + 20 * 60_000
    for record in found:
        decoded = decode(record.value)
        if isinstance(decoded, Accepted):
            assert decoded.event.user_id.encode() == record.key


def test_the_rate_is_met_over_a_week() -> None:
    """Six minutes out of every six hours of a week; the mean of the cycle is 1."""
    options = GeneratorOptions(rate=20, anomalies_per_day=0)
    windows = [START + timedelta(hours=3 * step) for step in range(56)]
    sent = sum(len(batch) for at in windows for batch in generate(options, at, at + timedelta(minutes=3)))
    assert sent / (56 * 180) == pytest.approx(20, rel=0.05)


def test_every_event_type_and_every_property_appears(batches: list[Batch]) -> None:
    types: Counter[str] = Counter()
    filled: Counter[str] = Counter()
    agents, custom = set(), set()
    for value in (value for batch in batches for value in batch.values):
        decoded = decode(value)
        if isinstance(decoded, Accepted):
            types[decoded.event.event_type] += 1
            filled.update(n for n in Properties.__struct_fields__ if getattr(decoded.properties, n) is not None)
            filled.update(n for n in ("session_id", "referrer", "user_agent") if getattr(decoded.event, n) is not None)
            agents.add(decoded.event.user_agent)
            custom.add(decoded.event.event_type)
    assert custom - set(EVENT_TYPES) == {"add_to_wishlist"}
    assert set(EVENT_TYPES) <= set(types)
    assert set(Properties.__struct_fields__) | {"session_id", "referrer", "user_agent"} == set(filled)
    assert {agent for _, _, agent in AGENTS} <= agents
    assert any("GPTBot" in str(agent) for agent in agents) and any("Googlebot" in str(agent) for agent in agents)


def test_shares_and_sizes(batches: list[Batch]) -> None:
    total = sum(map(len, batches))
    malformed = sum(sum(batch.malformed.values()) for batch in batches)
    repeats = sum(sum(batch.duplicates.values()) for batch in batches)
    assert malformed / total == pytest.approx(0.01, abs=0.002)
    assert repeats / total == pytest.approx(0.05 / 1.05, abs=0.006)
    assert sum(len(value) for batch in batches for value in batch.values) / total >= 440
    assert {name for batch in batches for _, name in batch.malformed} == {fault.name for fault in FAULTS}


def test_repeats_are_the_same_bytes_and_ids_are_otherwise_unique() -> None:
    """The second sending follows within five minutes, so a window of an hour holds nearly all pairs."""
    values: Counter[bytes] = Counter()
    repeats = 0
    for batch in generate(SMALL, START, START + timedelta(hours=1)):
        values.update(value for value in batch.values if isinstance(decode(value), Accepted))
        repeats += sum(batch.duplicates.values())
    ids = [decode(value).event.event_id for value in values]  # type: ignore[union-attr]
    assert len(set(ids)) == len(ids)
    assert max(values.values()) == 2
    assert 0 <= repeats - sum(count - 1 for count in values.values()) < 60
    assert {UUID(str(i)).version for i in ids} == {4} and {i.variant for i in ids} == {"specified in RFC 4122"}


def test_malformed_records_are_refused_for_their_reason_and_all_others_accepted(batches: list[Batch]) -> None:
    expected: Counter[str] = Counter()
    reasons = {fault.name: str(fault.reason) for fault in FAULTS}
    refused: Counter[str] = Counter()
    for batch in batches:
        for (_, name), count in batch.malformed.items():
            expected[reasons[name]] += count
        for record in batch:
            decoded = decode(record.value)
            if isinstance(decoded, Accepted):
                event_ms = int(decoded.event.event_time.timestamp() * 1_000)
                rejected = time_rejection(event_ms, record.emit_ms, 300_000)
                refused.update([str(rejected.reason)] if rejected else [])
            else:
                refused[str(decoded.reason)] += 1
    assert refused == expected
    assert set(refused) == {"not_json", "contract", "future", "too_old", "too_large"}


def test_lateness_belongs_to_sessions_that_were_offline(batches: list[Batch]) -> None:
    delays: dict[str, list[int]] = {}
    for record in (record for batch in batches for record in batch):
        decoded = decode(record.value)
        if isinstance(decoded, Accepted) and 2000 < decoded.event.event_time.year < 2099:
            delay = record.emit_ms - int(decoded.event.event_time.timestamp() * 1_000)
            delays.setdefault(decoded.event.session_id or "", []).append(delay)
    every = [delay for found in delays.values() for delay in found]
    late = sum(delay > 300_000 for delay in every) / len(every)
    assert min(every) >= 0
    assert max(every) <= 105 * 60_000
    assert 0.002 < late < 0.04
    assert sorted(every)[len(every) // 2] < 2_000
