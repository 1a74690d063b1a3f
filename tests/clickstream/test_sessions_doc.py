"""docs/sessions.md lists the columns that the tables have, no more and no fewer."""

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "sessions.md"
TYPES = {
    "bool": "boolean", "int2": "smallint", "int4": "integer", "int8": "bigint", "_int8": "bigint[]", "_text": "text[]",
}  # fmt: skip


@pytest.mark.parametrize("table", ["sessions", "session_arrivals"])
def test_every_column_and_type_is_as_written(database: Any, table: str) -> None:
    section = PAGE.read_text().split(f"## Table `{table}`")[1].split("\n## ")[0]
    written = re.findall(r"^\| `(\w+)` \| ([\w\[\]]+) \| \S", section, re.MULTILINE)
    with psycopg.connect(database.reader) as connection:
        stored = connection.execute(
            "select column_name, udt_name from information_schema.columns"
            " where table_schema = 'clickstream' and table_name = %s",
            [table],
        ).fetchall()
    assert len(written) > 5
    assert sorted(written) == sorted((name, TYPES.get(kind, kind)) for name, kind in stored)
