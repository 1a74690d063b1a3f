"""Precision and recall against a ledger, and what the rules say of real people."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from clickstream.anomalies.bot_score import Score, accused, scores
from clickstream.anomalies.sessions import session_anomalies
from clickstream.replay import Rules, opened, outcomes
from clickstream.sessions import fragments, merge, session_rows
from clickstream.slice import Records, decode_slice

LOG = (
    Path(os.environ.get("CLICKSTREAM_TEST_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))
    / "semicomplete-access.log.gz"
)
GAP_MS = 1_800_000


def test_shares_of_nothing_are_none() -> None:
    assert (Score(0, 0, 0).precision, Score(0, 0, 0).recall) == (None, None)
    assert (Score(8, 5, 4).precision, Score(8, 5, 4).recall) == (0.8, 0.5)


def test_sessions_and_users_are_counted_by_what_the_ledger_says() -> None:
    rows = pl.DataFrame(
        [
            ("crawler", "declared"),
            ("crawler", "declared"),
            ("crawler", None),  # missed
            ("covert", "rate"),
            ("covert", "regular"),
            ("hidden", None),  # missed
            ("mistaken", "declared"),  # behavioural in truth
            ("person", None),
            ("accused", "no_interaction"),
            ("accused", None),
        ],
        schema=["user_id", "bot"],
        orient="row",
    )
    ledger = {"crawler": "declared", "covert": "behavioural", "hidden": "behavioural", "mistaken": "behavioural"}
    assert scores(rows, ledger) == {
        "sessions": {"declared": Score(3, 3, 2), "behavioural": Score(4, 3, 2), "all": Score(7, 6, 5)},
        "users": {"declared": Score(1, 2, 1), "behavioural": Score(3, 2, 1), "all": Score(4, 4, 3)},
    }
    nothing = {"declared": Score(0, 0, 0), "behavioural": Score(0, 0, 0), "all": Score(0, 0, 0)}
    assert scores(rows.clear(), {}) == {"sessions": nothing, "users": nothing}


@pytest.fixture(scope="module")
def log_sessions() -> pl.DataFrame:
    """The sessions of the real log."""
    if not LOG.exists():
        pytest.fail(f"{LOG} is not there: set CLICKSTREAM_TEST_DATA to the directory of the shared data")
    rules = Rules("http://semicomplete.com", b"key", 1_800_000_000_000, 300_000)
    with opened(LOG) as (lines, _):
        values = [outcome.value for outcome in outcomes(lines, rules) if outcome.value is not None]
    count = len(values)
    received = np.full(count, rules.now_ms)
    records = Records(pa.array(values, pa.binary()), np.arange(count), received, np.zeros(count, dtype=np.bool_))
    return session_rows(merge(fragments(decode_slice(records, 300_000).events, GAP_MS), GAP_MS))


def test_of_a_real_site_a_few_visitors_are_accused_and_rightly(log_sessions: pl.DataFrame) -> None:
    """20 to 25 pages at two or three seconds each, without their pictures: two users of one old browser's name, and a
    crawler that is on no list."""
    assert len(log_sessions) == 3_223
    undeclared = log_sessions.filter(pl.col("bot").is_not_null() & (pl.col("bot") != "declared"))
    assert sorted(undeclared.select("bot", "page_views", "events").rows()) == [
        ("no_interaction", 20, 22),
        ("no_interaction", 20, 24),
        ("no_interaction", 21, 22),
        ("no_interaction", 25, 25),
    ]
    anomalies = session_anomalies(log_sessions)
    assert anomalies["kind"].to_list() == ["bot_like"] * 4
    assert anomalies["score"].max() == 2.5
    assert accused(log_sessions, {}) == {"bot_like": {"sessions": 4, "people": 4}}
