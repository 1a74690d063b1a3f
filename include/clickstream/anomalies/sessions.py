"""Anomalies of sessions: which ones no person makes, or somebody should look at, and why in words.

Every rule is a plain limit over one row of `sessions.session_rows`, so that a verdict depends neither on the order in
which a session came together nor on what else happens: a backfill says the same. Rules of a kind are ways to ask the
same question; the one that is exceeded by most speaks for the session.

The limits lie where no person gets to, not where few do: a person who is accused costs more than a machine that is
missed, and a machine that keeps below them does no harm by its pace.
"""

from typing import Any, NamedTuple

import polars as pl

from clickstream.enrich.bots import EVEN_SPREAD, MIN_VIEWS, RATE_MS, SILENT_MS, median_pause_ms, pause_spread

USUAL_PAGES_A_MINUTE = 3.0  # a page is read for some 20 s
USUAL_PAGES = 5.0  # of a session
USUAL_EVENTS_A_MINUTE = 9.0  # beside the page: scrolls, clicks, an item
USUAL_EVENNESS = 0.5  # people's pauses differ by about twice their median

# Who opens so many pages and does hardly anything else copies them. Ten a minute may be somebody who leafs through
# pictures; nobody keeps that up for a hundred, and nobody reads five hundred without a click.
SCRAPED_PAGES = 100
SCRAPED_A_MINUTE = 10
SCRAPED_ALWAYS = 500
SCRAPED_OTHER_SHARE = 0.05  # events that are neither page, item nor search, over pages

# A person buys once or twice, and gives up on a card that is refused a few times. Who does much else beside it, an
# office behind one address, may do it more often: testing cards takes few events each.
CARDED_PURCHASES = 6
CARDED_PAYMENTS = 15
CARDED_EVENTS_EACH = 20

# Twenty tabs in five seconds is more than a hand opens. A page may send a burst of its own, such as scrolls: of events
# only a rate that lasts tells.
FAST_PAGES = 20
FAST_PAGES_A_SECOND = 4
FAST_EVENTS = 100
FAST_EVENTS_A_SECOND = 10

MAX_SCORE = 100.0  # pauses of zero are no division by zero

_LOOKS = ("page_views", "item_views", "searches")
_READ = ("session_id", "user_id", "started_ms", "ended_ms", "path_at", "events", *_LOOKS, "purchases", "payment_infos",
         "revenue_e4", "bot")  # fmt: skip
ANOMALY: dict[str, Any] = {
    "session_id": pl.Binary,
    "kind": pl.String,
    "user_id": pl.String,
    "started_ms": pl.Int64,
    **dict.fromkeys(("value", "expected", "lower_bound", "upper_bound", "score"), pl.Float64),
    "reason": pl.String,
}


class Rule(NamedTuple):
    """Of the rows that `among` keeps, those whose `value` reaches `limit` are anomalous.

    Both are expressions over the columns of a session; `expected` is what a person's session has.
    """

    kind: str
    among: pl.Expr
    value: pl.Expr
    expected: float
    limit: pl.Expr
    reason: pl.Expr


def session_anomalies(rows: pl.DataFrame) -> pl.DataFrame:
    """Anomalies of sessions (rows of `sessions.session_rows`, any order) by ANOMALY, at most one a session and kind.

    `value` is normal between `lower_bound` (0) and `upper_bound`; `score` is value over upper bound: 1 and more is
    anomalous, more than 100 is 100. Sorted by session and kind.
    """
    few = rows.select(_READ).filter(pl.any_horizontal(rule.among for rule in _RULES))
    found = pl.concat([_found(rule, few) for rule in _RULES])
    ranked = found.sort("session_id", "kind", "score", descending=[False, False, True], maintain_order=True)
    return ranked.unique(["session_id", "kind"], keep="first", maintain_order=True)


def _found(rule: Rule, rows: pl.DataFrame) -> pl.DataFrame:
    value, limit = _exact(rule.value), _exact(rule.limit)
    over = rows.filter(rule.among).filter(value >= limit)
    if over.is_empty():  # nearly always: the texts are made for few
        return pl.DataFrame(schema=ANOMALY)
    anomaly = {
        "kind": pl.lit(rule.kind),
        "value": pl.min_horizontal(value, limit * MAX_SCORE),
        "expected": pl.lit(rule.expected),
        "lower_bound": pl.lit(0.0),
        "upper_bound": limit,
        "score": _exact(value / limit).clip(upper_bound=MAX_SCORE),
        "reason": rule.reason,
    }
    told = over.with_columns(**anomaly)
    return told.select(pl.col(name).cast(kind) for name, kind in ANOMALY.items())


def _exact(value: pl.Expr) -> pl.Expr:
    # The last bit of a division by a constant depends on how many rows Polars divides at once.
    return value.cast(pl.Float64).round(6)


def _seconds(ms: pl.Expr) -> pl.Expr:
    # Floor of a second: clocks of whole seconds make no infinite speed.
    return (ms / 1_000).clip(lower_bound=1)


def _rounded(value: pl.Expr) -> pl.Expr:
    return _exact(value).round(2).cast(pl.String).str.strip_suffix(".0")


def _bot_like() -> list[Rule]:
    """Why `bot` names a session, with figures; the rule itself is `enrich.bots.bot_reasons`."""
    pace, evenness = 60_000 / median_pause_ms(), 1 / pause_spread()
    viewed, median = pl.col("path_at").list.len(), _rounded(median_pause_ms() / 1_000)
    fast = "{} pages at a median of {} s"
    return [
        Rule(
            "bot_like",
            pl.col("bot") == "rate",
            pace,
            USUAL_PAGES_A_MINUTE,
            pl.lit(60_000 / RATE_MS),
            pl.format(f"{fast}; nobody opens {MIN_VIEWS} at less than {RATE_MS / 1_000:g} s", viewed, median),
        ),
        Rule(
            "bot_like",
            pl.col("bot") == "regular",
            evenness,
            USUAL_EVENNESS,
            pl.lit(1 / EVEN_SPREAD),
            pl.format(
                f"{fast}, as even as a machine's: pauses spread by {{}} of their median, people's by more than 1",
                viewed,
                median,
                _rounded(pause_spread()),
            ),
        ),
        Rule(
            "bot_like",
            pl.col("bot") == "no_interaction",
            pace,
            USUAL_PAGES_A_MINUTE,
            pl.lit(60_000 / SILENT_MS),
            pl.format(f"{fast} without one scroll or click", viewed, median),
        ),
    ]


def _scraping() -> Rule:
    pages = pl.max_horizontal(_LOOKS)  # a shop may tell of a product's page twice: as a page and as an item
    others = pl.col("events") - pl.sum_horizontal(_LOOKS)
    minutes = (pl.col("ended_ms") - pl.col("started_ms")) / 60_000
    return Rule(
        "scraping",
        # Bots that say so crawl by trade.
        _undeclared() & (pages >= SCRAPED_PAGES) & (others <= SCRAPED_OTHER_SHARE * pages),
        pages,
        USUAL_PAGES,
        (minutes * SCRAPED_A_MINUTE).clip(SCRAPED_PAGES, SCRAPED_ALWAYS),
        pl.format("{} pages in {} minutes and {} other events", pages, _rounded(minutes), others),
    )


def _carding() -> list[Rule]:
    told = pl.format(
        "{} purchases worth {} and {} payment attempts among {} events of one session",
        "purchases",
        _rounded(pl.col("revenue_e4") / 10_000),
        "payment_infos",
        "events",
    )
    beside = pl.col("events") / CARDED_EVENTS_EACH
    return [
        Rule("carding", pl.col(name) >= least, pl.col(name), 1.0, beside.clip(lower_bound=least), told)
        for name, least in (("purchases", CARDED_PURCHASES), ("payment_infos", CARDED_PAYMENTS))
    ]


def _impossible_speed() -> list[Rule]:
    views = pl.col("path_at").list
    fastest = views.sort().list.diff(n=FAST_PAGES - 1, null_behavior="drop").list.min()
    lasted = pl.col("ended_ms") - pl.col("started_ms")
    return [
        Rule(
            "impossible_speed",
            _undeclared() & (views.len() >= FAST_PAGES),
            FAST_PAGES / _seconds(fastest),
            USUAL_PAGES_A_MINUTE / 60,
            pl.lit(float(FAST_PAGES_A_SECOND)),
            pl.format(
                f"{FAST_PAGES} pages within {{}} s; a person opens fewer than {FAST_PAGES_A_SECOND} a second",
                _rounded(fastest / 1_000),
            ),
        ),
        Rule(
            "impossible_speed",
            _undeclared() & (pl.col("events") >= FAST_EVENTS),
            pl.col("events") / _seconds(lasted),
            USUAL_EVENTS_A_MINUTE / 60,
            pl.lit(float(FAST_EVENTS_A_SECOND)),
            pl.format(
                f"{{}} events within {{}} s; a person makes fewer than {FAST_EVENTS_A_SECOND} a second",
                "events",
                _rounded(lasted / 1_000),
            ),
        ),
    ]


def _undeclared() -> pl.Expr:
    return pl.col("bot").ne_missing("declared")


_RULES = [*_bot_like(), _scraping(), *_carding(), *_impossible_speed()]
