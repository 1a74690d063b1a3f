"""What the fold stores of a busy shop equals what DuckDB makes of the same records."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import psycopg

import independent
from builders import NOON_MS, piece
from clickstream.contract import Accepted, decode
from clickstream.generator import GeneratorOptions, generate
from clickstream.warehouse.writer import Writer

from .conftest import TOPIC

SLICE = 2_000


def test_sessions_and_journey_links_equal_duckdbs(connection: psycopg.Connection, writer: Writer) -> None:
    """Few users who come back, late events, repeats and many bots; slices fall anywhere into the visits."""
    options = GeneratorOptions(rate=1.5, users=150, late_share=0.2, duplicate_share=0.05, bot_share=0.2, seed=3)
    start = datetime(2026, 6, 1, 9, tzinfo=UTC)
    sent = [value for batch in generate(options, start, start + timedelta(hours=2)) for value in batch.values]
    values = [value for value in sent if isinstance(decode(value), Accepted)]
    kafka_ms = NOON_MS + 86_400_000
    for first in range(0, len(values), SLICE):
        assert writer.apply(piece(TOPIC, values[first : first + SLICE], first=first, kafka_ms=kafka_ms))
    raw = [independent.Raw(value, 0, offset, kafka_ms) for offset, value in enumerate(values)]
    expected = independent.recomputed(raw)
    assert independent.stored(connection) == expected
    bots = Counter(bot for (bot,) in connection.execute("select bot from sessions").fetchall())
    assert bots[None] > 50
    assert bots["declared"] > 0
    assert sum(bots.values()) - bots[None] - bots["declared"] > 0
    assert {step for _, step, *_ in expected["journey_links"]} == {1, 2, 3, 4, 5}
