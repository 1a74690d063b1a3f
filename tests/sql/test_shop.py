"""A shop's export, mapped by the example, through the funnels' SQL, against DuckDB over the export itself."""

import json
from pathlib import Path

import duckdb
import psycopg

from clickstream.funnels.config import load_funnels
from clickstream.funnels.scratch import Scratch
from shop_export import EXPORT, shop_events

ROOT = Path(__file__).parents[2]


def test_funnels_equal_duckdbs(migrated: str, tmp_path: Path) -> None:
    mapped = tmp_path / "events.jsonl"
    mapped.write_text("".join(json.dumps(event) + "\n" for event in shop_events()))
    with duckdb.connect() as apart:
        statements = Path(__file__).with_name("shop_funnels.sql").read_text().replace("$1", f"'{EXPORT}'")
        expected = apart.execute(statements).fetchall()
    funnels = load_funnels(ROOT / "sql" / "funnels.yaml")
    with psycopg.connect(migrated, autocommit=True) as connection:
        scratch = Scratch(connection)
        loaded = scratch.load(mapped)
        assert (loaded.events, loaded.duplicates, loaded.refused) == (31_106, 0, [])
        left_out = "select count(*) from sessions where bot is not null or quarantined"
        assert connection.execute(left_out).fetchone() == (0,)
        for name in sorted({row[0] for row in expected}):
            scratch.build(name, funnels[name])
        stored = connection.execute(
            "select funnel, day, array_agg(users order by step) from pg_temp.funnel_steps where breakdown = '(all)'"
            " group by funnel, day order by funnel, day"
        ).fetchall()
    assert stored == expected
    entries = {name: sum(users[0] for funnel, _, users in stored if funnel == name) for name, _, _ in stored}
    assert entries == {"purchase": 2_868, "search_to_purchase": 2_251, "checkout": 798}
