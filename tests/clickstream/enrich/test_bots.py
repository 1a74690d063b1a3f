"""The rule for behavioural bots: known cases, and the bots that the generator's ledger names."""

import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickstream.contract import Accepted, decode
from clickstream.enrich import Conduct, bot_reason, bot_reasons, read_agent
from clickstream.generator import GeneratorOptions, generate

_GAP_MS = 1_800_000


def views(*pauses_ms: int) -> list[int]:
    times = [1_000_000]
    for pause in pauses_ms:
        times.append(times[-1] + pause)
    return times


_CHANCE = random.Random(3)
PERSON = views(*(int(_CHANCE.lognormvariate(9.5, 0.7)) for _ in range(40)))


@pytest.mark.parametrize(
    ("conduct", "reason"),
    [
        (Conduct([], 0, 0), None),
        (Conduct([5], 0, 0), None),
        (Conduct(views(*[900] * 18), 0, 0), None),  # 19 views
        (Conduct(views(*[900] * 19), 0, 0), "rate"),
        (Conduct(views(*[0] * 30), 9, 9), "rate"),
        (Conduct(views(*[999] * 30), 5, 5), "rate"),
        (Conduct(views(*[1_000] * 30), 5, 5), "regular"),
        (Conduct(views(*[60_000, 60_500] * 15), 0, 0), "regular"),
        (Conduct(views(*[60_000] * 25, *[900_000] * 2), 0, 0), "regular"),  # two breaks do not hide a machine
        (Conduct(views(*[2_000, 4_000] * 15), 0, 0), "no_interaction"),
        (Conduct(views(*[2_000, 4_000] * 15), 1, 0), None),
        (Conduct(views(*[2_000, 4_000] * 15), 0, 1), None),
        (Conduct(PERSON, 0, 0), None),  # a site that tracks no scrolls
    ],
)
def test_known_conduct(conduct: Conduct, reason: str | None) -> None:
    assert bot_reason(conduct) == reason


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**50), max_size=60), st.randoms(), st.integers(0, 3), st.integers(0, 3))
def test_order_does_not_matter(times: list[int], chance: random.Random, scrolls: int, clicks: int) -> None:
    shuffled = chance.sample(times, len(times))
    assert bot_reason(Conduct(shuffled, scrolls, clicks)) == bot_reason(Conduct(times, scrolls, clicks))


def test_the_generators_bots_are_found_and_people_left_alone() -> None:
    """Per session, over an hour: those of users that the ledger calls behavioural, and no others."""
    start = datetime(2026, 11, 20, 17, tzinfo=UTC)
    rows, ledger = [], {}
    options = GeneratorOptions(rate=40, seed=5, bot_share=0.2)
    for batch in generate(options, start, start + timedelta(hours=1)):
        ledger.update(batch.bots)
        for value in batch.values:
            read = decode(value)
            if isinstance(read, Accepted) and read.event.event_time.year == 2026:
                event = read.event
                declared = read_agent(event.user_agent).bot is not None
                at = int(event.event_time.timestamp() * 1_000)
                rows.append((event.event_id.bytes, event.user_id, event.event_type, at, declared))
    columns = ["event_id", "user_id", "event_type", "at", "declared"]
    events = pl.DataFrame(rows, schema=columns, orient="row").unique("event_id").sort("user_id", "at")
    apart = (pl.col("at").diff() > _GAP_MS).fill_null(True) | (pl.col("user_id") != pl.col("user_id").shift())
    sessions = events.group_by(apart.cum_sum().alias("session")).agg(
        pl.col("user_id").first(),
        pl.col("declared").any(),
        pl.col("at").filter(pl.col("event_type") == "page_view").head(100).alias("path_at"),
        (pl.col("event_type") == "scroll").sum().alias("scrolls"),
        (pl.col("event_type") == "click").sum().alias("clicks"),
    )
    undeclared = sessions.filter(~pl.col("declared")).with_columns(bot_reasons())
    undeclared = undeclared.with_columns(
        bot=pl.col("user_id").is_in([user for user, kind in ledger.items() if kind == "behavioural"]),
        found=pl.col("bot_reason").is_not_null(),
    )
    bots, found = undeclared["bot"], undeclared["found"]
    hits = (bots & found).sum()
    assert bots.sum() >= 20
    assert hits / bots.sum() >= 0.9
    # By default 0.6 % of sessions are such bots: at this rate of false alarms nine in ten accusations are right.
    assert (found & ~bots).sum() / (~bots).sum() <= 0.0006
    declared = sessions.filter("declared")["user_id"].to_list()
    assert {user for user, kind in ledger.items() if kind == "declared"} >= set(declared)
    assert declared
