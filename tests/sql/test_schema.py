"""Each model's folder is complete, and its schema.yaml says what the table is."""

from pathlib import Path

from clickstream.models import read_models
from sql_warehouse import MODELS, Warehouse

FOLDER = Path(__file__).parents[2] / "sql" / "models"


def test_every_folder_is_a_model_that_a_run_builds() -> None:
    assert sorted(path.parent.name for path in FOLDER.glob("*/query.sql")) == sorted(MODELS)
    assert {path.name for name in MODELS for path in (FOLDER / name).iterdir()} == {
        "query.sql", "schema.yaml", "checks.sql",
    }  # fmt: skip
    assert sorted(read_models(FOLDER)) == sorted(MODELS)


def test_schemas_are_those_of_the_tables(warehouse: Warehouse) -> None:
    for name, model in read_models(FOLDER).items():
        columns = warehouse.rows(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute"
            f" where attrelid = 'clickstream.{name}'::regclass and attnum > 0 and not attisdropped order by attnum"
        )
        assert model.table == name
        assert [(column, about.type) for column, about in model.columns.items()] == columns
        assert all(about.description for about in model.columns.values())


def test_every_file_of_sql_says_what_it_is() -> None:
    for file in FOLDER.glob("*/*.sql"):
        header = file.read_text().split("\n\n")[0]
        for word in ("Parameters:", "Grain: ", "Usage: "):
            assert word in header, f"{file}: the header does not say {word!r}"
