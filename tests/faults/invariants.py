"""What must hold after every fault, recomputed from the topic's raw records."""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import psycopg

import independent
from independent import Raw

I5_STALE = """
select slices.partition, slices.first_offset, slices.epoch, later.epoch
from stream_slices as slices
join faults.epochs as later
    on later.epoch > slices.epoch
    and pg_xact_commit_timestamp(later.xmin) < pg_xact_commit_timestamp(slices.xmin)
"""
SLICES = """
select first_offset, next_offset, read, accepted, duplicate, rejected
from stream_slices where partition = %s order by first_offset
"""
PEOPLE = "sessions.bot is null and not sessions.quarantined"
ACTIVE = f"""
select
    count(distinct user_id) filter (where event_time >= %(now)s - interval '5 minutes'),
    count(distinct user_id)
from events join sessions using (user_id)
where event_time >= %(now)s - interval '30 minutes' and event_time <= %(now)s
    and event_time between started_at and ended_at and {PEOPLE}
"""
PAGES = """
select page_path, count(*) from events
where event_type = 'page_view' and bot is null and event_time <= %(now)s
    and date_trunc('minute', event_time, 'UTC') > %(now)s - interval '30 minutes'
group by 1
"""
# Each minute: events, page views, purchases; users seen in the five minutes up to its end, sessions that began.
MINUTES = f"""
select to_char(minute at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), counted.*, people.*
from generate_series(
    date_trunc('minute', %(now)s - interval '59 minutes', 'UTC'), %(now)s, interval '1 minute'
) as minute
cross join lateral (
    select
        count(*), count(*) filter (where event_type = 'page_view'), count(*) filter (where event_type = 'purchase')
    from events
    where event_time >= minute and event_time < minute + interval '1 minute' and event_time <= %(now)s and bot is null
) as counted
cross join lateral (
    select count(distinct user_id), count(*) filter (where started_at >= minute)
    from sessions
    where started_at < minute + interval '1 minute' and started_at <= %(now)s
        and ended_at >= minute - interval '4 minutes' and {PEOPLE}
) as people
"""
FUNNEL = f"""
select
    count(*),
    count(*) filter (where item_views > 0),
    count(*) filter (where least(item_views, cart_adds) > 0),
    count(*) filter (where least(item_views, cart_adds, checkouts) > 0),
    count(*) filter (where least(item_views, cart_adds, checkouts, purchases) > 0),
    count(*) filter (where purchases > 0)
from sessions where ended_at >= %(now)s - interval '60 minutes' and {PEOPLE}
"""


def check(reader: psycopg.Connection, raw: list[Raw], reasons: dict[bytes, str]) -> list[str]:
    """Assert I1, I2, I3, I5 and I6; the names of what was checked.

    `raw` is all of the topic from offset 0, `reasons` says why each spoilt value must be refused.
    """
    valid = [record for record in raw if record.value not in reasons]
    documents = {}
    for record in valid:
        document = json.loads(record.value)
        documents[document["event_id"]] = document
    _once(reader, raw, reasons, documents)
    _minutes(reader, documents.values())
    assert independent.stored(reader) == independent.recomputed(valid), "I3"
    assert reader.execute(I5_STALE).fetchall() == [], "I5"
    _offsets(reader, raw, len(valid) - len(documents))
    return ["I1", "I2", "I3", "I5", "I6"]


def _once(
    reader: psycopg.Connection, raw: list[Raw], reasons: dict[bytes, str], documents: dict[str, dict[str, Any]]
) -> None:
    stored = reader.execute(
        "select event_id::text, event_type, user_id, page_url, (extract(epoch from event_time) * 1000)::bigint"
        " from events order by 1"
    ).fetchall()
    said = [
        (key, event["event_type"], event["user_id"], event["page_url"], _milliseconds(event["event_time"]))
        for key, event in sorted(documents.items())
    ]
    assert stored == said, "I1: events"
    ids = reader.execute("select event_id::text from event_ids order by 1").fetchall()
    assert ids == [(key,) for key in sorted(documents)], "I1: ids"
    letters = reader.execute(
        "select partition, kafka_offset, reason, payload from dead_letters order by partition, kafka_offset"
    ).fetchall()
    refused = [(r.partition, r.offset, reasons[r.value], r.value) for r in raw if r.value in reasons]
    assert letters == sorted(refused), "I1: dead letters"


def _minutes(reader: psycopg.Connection, documents: Iterable[dict[str, Any]]) -> None:
    stored = reader.execute(
        "select (extract(epoch from minute) * 1000)::bigint, event_type, sum(events)::int"
        " from traffic_minute group by 1, 2"
    )
    counted = Counter((_milliseconds(d["event_time"]) // 60_000 * 60_000, d["event_type"]) for d in documents)
    assert {(minute, kind): events for minute, kind, events in stored} == counted, "I2"


def _offsets(reader: psycopg.Connection, raw: list[Raw], repeats: int) -> None:
    ends = Counter(record.partition for record in raw)
    ledger = dict(reader.execute("select partition, next_offset from stream_offsets").fetchall())
    assert ledger == {**dict.fromkeys(ledger, 0), **ends}, "I6: next offsets"
    duplicates = 0
    for partition, end in ends.items():
        slices = reader.execute(SLICES, [partition]).fetchall()
        firsts, nexts = [row[0] for row in slices], [row[1] for row in slices]
        assert firsts == [0, *nexts[:-1]] and nexts[-1] == end, f"I6: the slices of partition {partition} have gaps"
        assert all(row[2] == row[1] - row[0] == sum(row[3:]) for row in slices), "I6: read = accepted + …"
        duplicates += sum(row[4] for row in slices)
    assert duplicates == repeats, "I1: repeats are counted"


def live(reader: psycopg.Connection, redis: Any) -> bool:
    """I4: whether Redis shows what PostgreSQL has, at the moment for which it was published."""
    with redis.pipeline(transaction=True) as reading:
        reading.get("live:as_of").get("live:epoch").zrange("live:pages", 0, -1, withscores=True)
        for name in ("active_users", "conversion", "series"):
            reading.hgetall(f"live:{name}")
        as_of, epoch, pages, active, conversion, series = reading.execute()
    if as_of is None:
        return False
    now = {"now": datetime.fromisoformat(as_of)}
    minutes = {minute: json.loads(figures) for minute, figures in series.items()}
    line = ("events", "page_views", "purchases", "active_users", "sessions")
    steps = [int(conversion[step]) for step in ("sessions", "views", "carts", "checkouts", "purchases")]
    shown = (
        (int(active["5m"]), int(active["30m"])),
        {page: int(views) for page, views in pages},
        {minute: tuple(figures[name] for name in line) for minute, figures in minutes.items()},
        (*steps, round(float(conversion["conversion_rate"]) * steps[0])),
        int(epoch),
    )
    return shown == (
        reader.execute(ACTIVE, now).fetchone(),
        dict(reader.execute(PAGES, now).fetchall()),
        {minute: tuple(figures) for minute, *figures in reader.execute(MINUTES, now)},
        reader.execute(FUNNEL, now).fetchone(),
        reader.execute("select epoch from stream_lease").fetchone()[0],  # type: ignore[index]
    )


def _milliseconds(time: str) -> int:
    return round(datetime.fromisoformat(time).astimezone(UTC).timestamp() * 1_000)
