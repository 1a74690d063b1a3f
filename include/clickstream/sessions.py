"""Sessions as a monoid: fragments of a user's visit that merge in any order into the same rows.

A fragment is a run of events of one user with no gap over the limit, in the columns of FRAGMENT. `fragments`
makes them from events, `merge` joins those that touch. Both are pure; `merge` is associative, commutative and
idempotent on disjoint pieces, so neither lateness nor batch borders nor partitions can change a session.
Events at the same millisecond are ordered by event_id, never by arrival.
"""

from typing import Any
from uuid import UUID

import polars as pl
import xxhash

from clickstream.contract import KEY_EVENTS
from clickstream.enrich import FIRST_TOUCH as _TOLD_BY_FIRST
from clickstream.enrich import bot_reasons, first_touch
from clickstream.enrich.bots import MIN_VIEWS

MAX_PATH = 100
ENGAGED_MS = 10_000
QUARANTINE_MS = 3 * 86_400_000
QUARANTINE_EVENTS = 10_000
MAX_REVENUE_E4 = 9 * 10**18  # sums saturate below what a bigint holds

COUNTS = {
    "page_views": "page_view",
    "clicks": "click",
    "scrolls": "scroll",
    "searches": "search",
    "item_views": "view_item",
    "cart_adds": "add_to_cart",
    "cart_removals": "remove_from_cart",
    "checkouts": "begin_checkout",
    "payment_infos": "add_payment_info",
    "purchases": "purchase",
    "sign_ups": "sign_up",
    "logins": "login",
}
# When each step that a funnel may ask for was first taken.
FIRST_TIMES = {
    "first_search_ms": "search",
    "first_item_view_ms": "view_item",
    "first_cart_add_ms": "add_to_cart",
    "first_checkout_ms": "begin_checkout",
    "first_payment_info_ms": "add_payment_info",
    "first_purchase_ms": "purchase",
    "first_sign_up_ms": "sign_up",
}
_KEY_COUNTS = [column for column, event_type in COUNTS.items() if event_type in KEY_EVENTS]
_ENRICHED = ["referrer_medium", "device", "browser"]
FIRST_TOUCH = [*_ENRICHED, *_TOLD_BY_FIRST]  # what a session takes over from its first event

FRAGMENT: dict[str, Any] = {
    "user_id": pl.String,
    "started_ms": pl.Int64,
    "ended_ms": pl.Int64,
    "first_event_id": pl.Binary,
    "events": pl.Int64,
    **dict.fromkeys(COUNTS, pl.Int64),
    **dict.fromkeys(FIRST_TIMES, pl.Int64),
    "revenue_e4": pl.Int64,
    "exit_page": pl.String,
    "exit_ms": pl.Int64,
    "exit_event_id": pl.Binary,
    "path": pl.List(pl.String),
    "path_at": pl.List(pl.Int64),
    "path_event_ids": pl.List(pl.Binary),
    **dict.fromkeys(FIRST_TOUCH, pl.String),
    "client_session_min": pl.String,
    "client_session_max": pl.String,
    "bot": pl.String,
}


# What `fragments` reads of an event: sorting moves all that it is given.
_READ = ["user_id", "event_ms", "event_id", "event_type", "page_path", "revenue_e4", *_ENRICHED,
         "page_url", "referrer", "user_agent", "session_id", "bot"]  # fmt: skip


def fragments(events: pl.DataFrame, gap_ms: int) -> pl.DataFrame:
    """Fold events (columns of `slice.EVENTS_SCHEMA`, any order) into fragments, one row a run."""
    ordered = events.select(_READ).sort("user_id", "event_ms", "event_id")
    apart = (pl.col("event_ms") - pl.col("event_ms").shift() > gap_ms).fill_null(True)
    ordered = ordered.with_columns(
        _run=(_new_user() | apart).cum_sum(),
        **{name: pl.when(pl.col("event_type") == kind).then("event_ms") for name, kind in FIRST_TIMES.items()},
    )
    viewed = pl.col("event_type") == "page_view"
    path = {"path": "page_path", "path_at": "event_ms", "path_event_ids": "event_id"}
    leave = {"exit_page": "page_path", "exit_ms": "event_ms", "exit_event_id": "event_id"}
    folded = ordered.group_by("_run", maintain_order=True).agg(
        pl.col("user_id").first(),
        pl.col("event_ms").first().alias("started_ms"),
        pl.col("event_ms").last().alias("ended_ms"),
        pl.col("event_id").first().alias("first_event_id"),
        pl.len().cast(pl.Int64).alias("events"),
        *[(pl.col("event_type") == kind).sum().cast(pl.Int64).alias(name) for name, kind in COUNTS.items()],
        *[pl.col(name).min() for name in FIRST_TIMES],
        saturating_sum("revenue_e4"),
        *[pl.col(source).filter(viewed).last().alias(name) for name, source in leave.items()],
        *[pl.col(source).filter(viewed).head(MAX_PATH).alias(name) for name, source in path.items()],
        *[pl.col(name).first() for name in (*_ENRICHED, "page_url", "referrer", "user_agent")],
        pl.col("session_id").min().alias("client_session_min"),
        pl.col("session_id").max().alias("client_session_max"),
        pl.col("bot").min(),
    )
    return folded.hstack(first_touch(folded)).select(pl.col(name).cast(kind) for name, kind in FRAGMENT.items())


def merge(pieces: pl.DataFrame, gap_ms: int) -> pl.DataFrame:
    """Join the fragments of each user that overlap or lie within the gap; others pass unchanged."""
    ordered = pieces.sort("user_id", "started_ms", "first_event_id")
    reach = pl.col("ended_ms").cum_max().over("user_id").shift()
    apart = (pl.col("started_ms") - reach > gap_ms).fill_null(True)
    grouped = ordered.with_columns(_run=(_new_user() | apart).cum_sum()).with_columns(_size=pl.len().over("_run"))
    alone = grouped.filter(pl.col("_size") == 1).select(list(FRAGMENT))
    joined = grouped.filter(pl.col("_size") > 1)
    if joined.is_empty():
        return alone
    return pl.concat([alone, _join(joined)])


def session_rows(pieces: pl.DataFrame) -> pl.DataFrame:
    """The rows of table `sessions` for merged fragments: identity, entry page and what is judged (`judged`) added."""
    ids = [session_id(*key) for key in pieces.select("user_id", "first_event_id").iter_rows()]
    return judged(pieces).with_columns(
        session_id=pl.Series(ids, dtype=pl.Binary), entry_page=pl.col("path").list.first()
    )


def judged(pieces: pl.DataFrame) -> pl.DataFrame:
    """Merged fragments with engaged, converted and quarantined; `bot` tells behavioural bots too."""
    key_event = pl.any_horizontal(pl.col(name) > 0 for name in _KEY_COUNTS)
    lasted = pl.col("ended_ms") - pl.col("started_ms")
    return _with_behavioural_bots(pieces).with_columns(
        engaged=(lasted > ENGAGED_MS) | key_event | (pl.col("page_views") >= 2),
        converted=pl.col("purchases") > 0,
        quarantined=(lasted > QUARANTINE_MS) | (pl.col("events") > QUARANTINE_EVENTS),
    )


def _with_behavioural_bots(pieces: pl.DataFrame) -> pl.DataFrame:
    numbered = pieces.with_row_index("_row")
    # Few sessions are long enough to be suspected: the rule works on lists and is not cheap.
    suspects = numbered.filter((pl.col("path_at").list.len() >= MIN_VIEWS) & pl.col("bot").is_null())
    reasons = suspects.select("_row", bot_reasons()).drop_nulls()
    if reasons.is_empty():
        return pieces
    return (
        numbered.join(reasons, on="_row", how="left", maintain_order="left")
        .with_columns(pl.coalesce("bot", "bot_reason").alias("bot"))
        .drop("_row", "bot_reason")
    )


def session_id(user_id: str, first_event_id: bytes) -> bytes:
    """16 bytes of a UUID (version 8) made from the user and the first event: the same on every recompute."""
    digest = xxhash.xxh3_128_digest(user_id.encode() + b"\0" + first_event_id)
    value = int.from_bytes(digest) & ~(0xF000 << 64) & ~(0xC000 << 48)
    return UUID(int=value | (0x8000 << 64) | (0x8000 << 48)).bytes


def _new_user() -> pl.Expr:
    return pl.col("user_id").ne_missing(pl.col("user_id").shift())


def saturating_sum(name: str) -> pl.Expr:
    # A saturating sum of counts is associative too, where one that overflows would poison its batch.
    return pl.col(name).cast(pl.Int128).sum().clip(upper_bound=MAX_REVENUE_E4).cast(pl.Int64)


def _join(pieces: pl.DataFrame) -> pl.DataFrame:
    """One row for each `_run` of touching fragments (sorted by start)."""
    last_exit = pl.struct("exit_ms", "exit_event_id", "exit_page").filter(pl.col("exit_ms").is_not_null())
    joined = pieces.group_by("_run", maintain_order=True).agg(
        pl.col("user_id").first(),
        pl.col("started_ms").first(),
        pl.col("ended_ms").max(),
        pl.col("first_event_id").first(),
        *[pl.col(name).sum() for name in ("events", *COUNTS)],
        *[pl.col(name).min() for name in FIRST_TIMES],
        saturating_sum("revenue_e4"),
        last_exit.sort_by(
            pl.col("exit_ms").filter(pl.col("exit_ms").is_not_null()),
            pl.col("exit_event_id").filter(pl.col("exit_ms").is_not_null()),
        )
        .last()
        .alias("_exit"),
        *[pl.col(name).first() for name in FIRST_TOUCH],
        pl.col("client_session_min").min(),
        pl.col("client_session_max").max(),
        pl.col("bot").min(),
    )
    steps = pieces.select("_run", "path", "path_at", "path_event_ids").filter(pl.col("path").list.len() > 0)
    paths = (
        steps.explode("path", "path_at", "path_event_ids")
        .sort("_run", "path_at", "path_event_ids")
        .group_by("_run", maintain_order=True)
        .agg(pl.all().head(MAX_PATH))
    )
    empty = [pl.col(name).fill_null(pl.lit([], dtype=FRAGMENT[name])) for name in ("path", "path_at", "path_event_ids")]
    return (
        joined.join(paths, on="_run", how="left", maintain_order="left")
        .unnest("_exit")
        .with_columns(empty)
        .select(pl.col(name).cast(kind) for name, kind in FRAGMENT.items())
    )
