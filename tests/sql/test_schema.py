"""Each model's folder is complete, and its schema.yaml says what the table is."""

from pathlib import Path

import pytest
import yaml

from sql_warehouse import Warehouse

MODELS = Path(__file__).parents[2] / "sql" / "models"
NAMES = ["funnel_steps", "funnel_users", "reconciliation"]


def test_all_models_are_listed() -> None:
    assert sorted(path.parent.name for path in MODELS.glob("*/query.sql")) == NAMES
    assert {path.name for name in NAMES for path in (MODELS / name).iterdir()} == {
        "query.sql", "schema.yaml", "checks.sql",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_the_table_s(warehouse: Warehouse, name: str) -> None:
    schema = yaml.safe_load((MODELS / name / "schema.yaml").read_text())
    columns = warehouse.rows(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        f" where attrelid = 'clickstream.{name}'::regclass and attnum > 0 and not attisdropped order by attnum"
    )
    assert schema["table"] == name
    assert [(column, about["type"]) for column, about in schema["columns"].items()] == columns
    assert all(about["description"] for about in schema["columns"].values())
