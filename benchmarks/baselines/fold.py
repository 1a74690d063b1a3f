"""Sessions and counts of a batch in Polars, and the plain merge for the few that are not simply appended.

The rules of enrichment are the library's: first touch, groups of pages, how a bot behaves.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import groupby, islice, pairwise
from typing import Any
from uuid import UUID

import polars as pl
import xxhash

from clickstream.enrich import FIRST_TOUCH, OTHER, Conduct, bot_reason, bot_reasons, first_touch, page_group
from clickstream.enrich.bots import MIN_VIEWS

GAP_MS = 1_800_000
MAX_PATH = 100
MAX_REVENUE_E4 = 9 * 10**18
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
FIRST_TIMES = {
    "first_search_at": "search",
    "first_item_view_at": "view_item",
    "first_cart_add_at": "add_to_cart",
    "first_checkout_at": "begin_checkout",
    "first_payment_info_at": "add_payment_info",
    "first_purchase_at": "purchase",
    "first_sign_up_at": "sign_up",
}
SUMS = ("events", *COUNTS)
CLIENTS = ("client_session_min", "client_session_max")
# Columns of table `sessions` as the baselines write them.
SESSION = (
    "session_id", "user_id", "started_at", "ended_at", "first_event_id", *SUMS, *FIRST_TIMES, "revenue_e4",
    "entry_page", "exit_page", "exit_at", "exit_event_id", "path", "path_at", "path_event_ids", "referrer_medium",
    "device", "browser", *FIRST_TOUCH, *CLIENTS, "bot", "engaged", "converted",
    "quarantined",
)  # fmt: skip
Link = tuple[int, int, str, str]  # UTC day (days since 1970), step, source, target
LINK_STEPS = 5


def runs(events: pl.DataFrame) -> pl.DataFrame:
    """Events in order of user, time and id; `run` counts pieces of visits with no gap over half an hour."""
    ordered = events.sort("user_id", "event_ms", "event_id")
    new = (pl.col("user_id") != pl.col("user_id").shift()) | (pl.col("event_ms").diff() > GAP_MS)
    return ordered.with_columns(run=new.fill_null(True).cum_sum())


def fragments(events: pl.DataFrame) -> pl.DataFrame:
    """One row for each run in the columns of SESSION, as if it were a whole session."""
    ordered = runs(events)
    pieces = ordered.group_by("run", maintain_order=True).agg(
        pl.col("user_id", "referrer_medium", "device", "browser", "page_url", "referrer", "user_agent").first(),
        pl.col("event_ms").first().alias("started_ms"),
        pl.col("event_ms").last().alias("ended_ms"),
        pl.col("event_id").first().alias("first_event_id"),
        pl.len().cast(pl.Int32).alias("events"),
        *[(pl.col("event_type") == kind).sum().cast(pl.Int32).alias(name) for name, kind in COUNTS.items()],
        *[
            pl.when(pl.col("event_type") == kind).then("event_ms").min().cast(pl.Datetime("ms")).alias(name)
            for name, kind in FIRST_TIMES.items()
        ],
        pl.col("revenue_e4").sum(),
        pl.col("session_id").min().alias("client_session_min"),
        pl.col("session_id").max().alias("client_session_max"),
        pl.col("bot").min(),
    )
    pieces = pieces.hstack(first_touch(pieces)).join(_paths(ordered), on="run", how="left", maintain_order="left")
    lasted = pl.col("ended_ms") - pl.col("started_ms")
    rows = pieces.with_columns(
        _time("started_ms").alias("started_at"),
        _time("ended_ms").alias("ended_at"),
        pl.col("path").fill_null([]),
        pl.col("path_at").fill_null([]),
        pl.col("path_event_ids").fill_null(b""),
        session_id=pl.Series(map(session_id, pieces["user_id"], pieces["first_event_id"]), dtype=pl.Binary),
        engaged=(lasted > 10_000) | (pl.col("purchases") + pl.col("sign_ups") > 0) | (pl.col("page_views") >= 2),
        converted=pl.col("purchases") > 0,
        quarantined=(lasted > 3 * 86_400_000) | (pl.col("events") > 10_000),
    ).select(SESSION)
    behaving = behaviours(rows).rename({"bot": "reason"})
    rows = rows.join(behaving, on="session_id", how="left", maintain_order="left")
    return rows.with_columns(bot=pl.coalesce("bot", "reason")).drop("reason")


def behaviours(rows: pl.DataFrame) -> pl.DataFrame:
    """session_id and bot of those rows (session_id, path_at, scrolls, clicks, bot) that behave as bots."""
    suspects = rows.filter((pl.col("path_at").list.len() >= MIN_VIEWS) & pl.col("bot").is_null())
    return suspects.select("session_id", bot_reasons().alias("bot")).drop_nulls("bot")


def links(started_ms: int, path: Sequence[str]) -> Iterator[Link]:
    """Which page led to which in the first steps of a visit; a page seen again at once is one step."""
    steps = [_label(page) for page, _ in islice(groupby(path), LINK_STEPS + 1)]
    for step, pair in enumerate(pairwise([*steps, "(exit)"][: LINK_STEPS + 1]), start=1):
        yield (started_ms // 86_400_000, step, *pair)


@cache
def _label(path: str) -> str:
    group = page_group(path)
    return path if group == OTHER else group


def _paths(ordered: pl.DataFrame) -> pl.DataFrame:
    """The page views of each run: where it entered and left, and the first hundred with times and ids."""
    views = ordered.filter(pl.col("event_type") == "page_view")
    lists = views.group_by("run", maintain_order=True).agg(
        pl.col("page_path").first().alias("entry_page"),
        pl.col("page_path").last().alias("exit_page"),
        pl.col("event_ms").last().alias("exit_ms"),
        pl.col("event_id").last().alias("exit_event_id"),
        pl.col("page_path").head(MAX_PATH).alias("path"),
        pl.col("event_ms").head(MAX_PATH).alias("path_at"),
        pl.len().alias("views"),
    )
    ids, ends = views["event_id"].to_list(), lists["views"].cum_sum()
    joined = [
        b"".join(ids[end - count : end - count + min(count, MAX_PATH)])
        for end, count in zip(ends, lists["views"], strict=True)
    ]
    return lists.with_columns(_time("exit_ms").alias("exit_at"), path_event_ids=pl.Series(joined, dtype=pl.Binary))


def _time(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Datetime("ms"))


def traffic_minute(events: pl.DataFrame) -> pl.DataFrame:
    """minute, event_type, device, is_bot → events, revenue_e4."""
    keys = ["minute", "event_type", "device", "is_bot"]
    sums = _minutes(events).group_by(keys).agg(pl.len().cast(pl.Int64).alias("events"), pl.col("revenue_e4").sum())
    return sums.sort(keys)


def page_minute(events: pl.DataFrame) -> pl.DataFrame:
    """minute, page_path, is_bot → page_group, views."""
    keys = ["minute", "page_path", "is_bot"]
    views = _minutes(events.filter(pl.col("event_type") == "page_view"))
    return views.group_by(keys).agg(pl.col("page_group").first(), pl.len().cast(pl.Int64).alias("views")).sort(keys)


def load_minute(events: pl.DataFrame) -> pl.DataFrame:
    """minute, bucket, is_bot → loads; bucket b holds loads of 1.05^b ms."""
    keys = ["minute", "bucket", "is_bot"]
    bucket = pl.col("page_load_ms").clip(lower_bound=1.0).log(1.05).floor().cast(pl.Int16).alias("bucket")
    loads = _minutes(events.drop_nulls("page_load_ms")).with_columns(bucket)
    return loads.group_by(keys).agg(pl.len().cast(pl.Int64).alias("loads")).sort(keys)


def _minutes(events: pl.DataFrame) -> pl.DataFrame:
    minute = (pl.col("event_ms") // 60_000 * 60_000).cast(pl.Datetime("ms")).alias("minute")
    return events.select(
        minute, "event_type", "device", "page_path", "page_group", "page_load_ms", "revenue_e4",
        is_bot=pl.col("bot").is_not_null(),
    )  # fmt: skip


def session_id(user_id: str, first_event_id: bytes) -> bytes:
    """A UUID (version 8) of the user and the first event, as the platform derives it."""
    digest = bytearray(xxhash.xxh3_128_digest(user_id.encode() + b"\0" + first_event_id))
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return bytes(digest)


def merge(pieces: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join the rows of SESSION of one user that overlap or lie within the gap; times are datetimes in UTC."""
    merged: list[dict[str, Any]] = []
    for piece in sorted(pieces, key=lambda row: (row["started_at"], row["first_event_id"])):
        last = merged[-1] if merged else None
        if last and (piece["started_at"] - last["ended_at"]).total_seconds() * 1_000 <= GAP_MS:
            merged[-1] = _join(last, piece)
        else:
            merged.append(piece)
    for row in merged:
        row["bot"] = why_bot(row)
    return merged


def why_bot(row: dict[str, Any]) -> str | None:
    """Why a session of SESSION is no person's; what its `bot` says of its conduct may be out of date."""
    if row["bot"] == "declared":
        return "declared"
    if row["page_views"] < MIN_VIEWS:
        return None
    return bot_reason(Conduct(row["path_at"], row["scrolls"], row["clicks"]))


def _join(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two pieces of a visit as one; `first` starts first."""
    joined = first | {name: first[name] + second[name] for name in SUMS}
    joined["ended_at"] = max(first["ended_at"], second["ended_at"])
    for name in FIRST_TIMES:
        joined[name] = min(filter(None, (first[name], second[name])), default=None)
    clients = [row[name] for row in (first, second) for name in CLIENTS if row[name] is not None]
    joined |= dict(zip(CLIENTS, (min(clients), max(clients)) if clients else (None, None), strict=True))
    joined["revenue_e4"] = min(first["revenue_e4"] + second["revenue_e4"], MAX_REVENUE_E4)
    steps = list(heapq.merge(_steps(first), _steps(second)))[:MAX_PATH]
    joined["path_at"], joined["path"] = [at for at, _, _ in steps], [page for _, _, page in steps]
    joined["path_event_ids"] = b"".join(event_id for _, event_id, _ in steps)
    joined["entry_page"] = joined["path"][0] if steps else None
    left = max((row for row in (first, second) if row["exit_at"]), key=_exit, default=first)
    joined |= {name: left[name] for name in ("exit_page", "exit_at", "exit_event_id")}
    joined["bot"] = "declared" if "declared" in (first["bot"], second["bot"]) else None
    lasted = (joined["ended_at"] - joined["started_at"]).total_seconds()
    joined["engaged"] = lasted > 10 or joined["purchases"] + joined["sign_ups"] > 0 or joined["page_views"] >= 2
    joined["converted"] = joined["purchases"] > 0
    joined["quarantined"] = lasted > 3 * 86_400 or joined["events"] > 10_000
    return joined


def _steps(row: dict[str, Any]) -> list[tuple[int, bytes, str]]:
    ids = row["path_event_ids"]
    split = [ids[at : at + 16] for at in range(0, len(ids), 16)]
    return list(zip(row["path_at"], split, row["path"], strict=True))


def _exit(row: dict[str, Any]) -> tuple[datetime, bytes]:
    return row["exit_at"], row["exit_event_id"]


def utc(milliseconds: int) -> datetime:
    """A moment as PostgreSQL reads it."""
    return datetime.fromtimestamp(milliseconds / 1_000, UTC)


def uuid_bytes(value: UUID | bytes | None) -> bytes | None:
    """The 16 bytes of an id, as psycopg gives it or as it is kept here."""
    return value.bytes if isinstance(value, UUID) else value
