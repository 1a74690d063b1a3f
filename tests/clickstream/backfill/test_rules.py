"""Rules change: a backfill makes history what the stream would have written by them, and touches nothing else."""

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from builders import encoded, event
from sql_warehouse import MODELS, Warehouse
from stream_shop import ROOT, TABLES, Shop, Start
from waiting import wait_until

DAY = date(2026, 6, 2)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
KINDS = ["page_view", "view_item", "add_to_cart", "begin_checkout", "purchase"]  # of each visit
# What follows from accepted events alone, and not from when they came.
FOLLOWING = sorted({*MODELS} - {"late_hourly", "reconciliation"})
NOTES = ("model_changes", "changed_hours", "model_users", "model_hours", "funnel_days", "retention_weeks")


def change_rules(into: Path) -> dict[str, str]:
    """The library with another bot pattern, page grouping and channel rule; the environment in which jobs use it."""
    package = into / "clickstream"
    shutil.copytree(ROOT / "include" / "clickstream", package, ignore=shutil.ignore_patterns("__pycache__"))
    agents = package / "enrich" / "user_agent.py"
    rule = "if crawleruseragents.is_crawler(user_agent)"
    text = agents.read_text()
    assert text.count(rule) == 1
    agents.write_text(text.replace(rule, f'{rule} or "Probe" in user_agent'))
    groups = package / "enrich" / "page_groups.json"
    rules = json.loads(groups.read_text())
    groups.write_text(json.dumps({"groups": [{"pattern": "/rare/.*", "label": "Rare"}, *rules["groups"]]}))
    channels = package / "enrich" / "channels.json"
    text = channels.read_text()
    assert '"mastodon"' in text
    channels.write_text(text.replace('"mastodon"', '"tooter"'))
    return {"PYTHONPATH": str(into)}


def traffic() -> list[bytes]:
    """Two days of visits, some of which the changed rules see differently."""
    visits = []
    for number in range(2_000):
        user = number // 5 % 100
        agent = "Probe/1.0" if user % 10 == 3 else BROWSER
        page = f"https://shop.example/rare/{user}" if user % 10 == 4 else f"https://shop.example/p/{number % 5}"
        tag = "?utm_source=tooter&utm_medium=x" if user % 10 == 5 and number < 1_000 else ""
        kind = "page_view" if user % 3 else KINDS[number % 5]
        more = {"product_id": f"p{user % 4}", "price": 9.5, "quantity": 2, "page_load_ms": 100 + number % 900}
        visits.append(encoded(event(number, number * 60, f"user-{user}", kind, page_url=page + tag, user_agent=agent,
                                    properties=more)))  # fmt: skip
    return visits


def models(shop: Shop, run: str) -> dict[str, list[tuple[str]]]:
    """Build what is noted as changed, as clickstream_models does; all rows of the models."""
    Warehouse(shop.dsn, shop.writer).build(run)
    return {name: shop.rows(f"select t::text from {name} as t order by 1") for name in FOLLOWING}


@pytest.mark.timeout(600)
def test_history_follows_the_rules(shop: Shop, start_job: Start, tmp_path: Path) -> None:
    shop.produce(traffic())
    shop.stream()
    before, models_before = shop.tables(), models(shop, "as streamed")
    assert shop.rows("select distinct channel from sessions where source = 'tooter'") == [("Unassigned",)]
    changed = change_rules(tmp_path / "include")
    job = start_job("backfill.py", "--day", str(DAY), "--and-changed", "1", environment=changed)
    assert job.process.wait(240) == 0
    assert shop.rows("select array_agg(day order by run) from backfill_runs") == [([DAY, DAY - timedelta(days=1)],)]
    found = shop.differences(DAY)
    assert found.keys() >= {"events", "sessions", "traffic_minute", "page_minute", "journey_links"}
    assert shop.differences(DAY - timedelta(days=1)).keys() >= {"events", "sessions", "page_minute"}
    after = shop.tables()
    same = {table for table in TABLES if after[table] == before[table]}
    assert same == {"session_anomalies"}  # the traffic has none
    assert shop.rows("select distinct page_group from events where page_path like '/rare/%%'") == [("Rare",)]
    assert shop.rows("select distinct bot from events where user_agent like 'Probe%%'") == [("declared",)]
    assert shop.rows("select distinct channel from sessions where source = 'tooter'") == [("Organic Social",)]
    models_after = models(shop, "after the backfill")
    same = {name for name in FOLLOWING if models_after[name] == models_before[name]}
    assert not same

    # The truth: the same topic streamed from its beginning by the changed rules.
    shop.execute("truncate " + ", ".join([*TABLES, "event_ids", "stream_slices", "dead_letters", "session_arrivals"]))
    shop.execute("truncate " + ", ".join([*MODELS, *NOTES]))
    shop.execute("update stream_offsets set next_offset = 0")
    stream = start_job("stream.py", environment=changed)
    wait_until(
        lambda: shop.rows("select sum(read)::int from stream_slices") == [(2_000,)], "the stream", alive=stream.running
    )
    stream.stop()
    assert shop.tables() == after
    assert models(shop, "streamed again") == models_after
