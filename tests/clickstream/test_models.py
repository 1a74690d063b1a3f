"""The page about the SQL models, made from their schema.yaml files."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from clickstream.cli import app
from clickstream.models import ModelError, as_markdown, column_checks, read_models
from clickstream.settings import settings

ROOT = Path(__file__).parents[2]
SCHEMA = """
table: t
description: What.
grain: one row
usage: How.
columns:
  a: {type: bigint, unit: events, description: many}
  b: {type: text, description: name}
checks:
  a: {min: {geq_to: 0}}
"""


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSTREAM_HOME", str(ROOT))
    settings.cache_clear()


def test_the_committed_page_is_that_of_the_files(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["models", "-o", str(tmp_path / "models.md")])
    assert result.exit_code == 0, result.output
    assert (ROOT / "docs" / "models.md").read_text() == (tmp_path / "models.md").read_text(), (
        "make it anew: clickstream models -o docs/models.md"
    )


def test_a_page(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "schema.yaml").write_text(SCHEMA)
    page = as_markdown(read_models(tmp_path))
    assert page.startswith("# SQL models\n")
    assert page.endswith(
        """
## t

What.

- **Grain**: one row.
- **Use**: How.
- **SQL**: [`sql/models/t`](../sql/models/t/query.sql)

| column | type | unit | meaning |
|---|---|---|---|
| `a` | bigint | events | many |
| `b` | text |  | name |
"""
    )


def test_checks_are_the_operator_s() -> None:
    assert column_checks("retention_weekly") == {"share": {"min": {"geq_to": 0}, "max": {"leq_to": 1}}}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("grain: one row", "grane: one row", "Object contains unknown field `grane`"),
        ("grain: one row\n", "", "Object missing required field `grain`"),
        ("type: bigint", "type: 8", "Expected `str`, got `int` - at `$.columns[...].type`"),
        ("{min", "[min", "while parsing a flow sequence"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "t").mkdir()
    file = tmp_path / "t" / "schema.yaml"
    file.write_text(SCHEMA.replace(old, new))
    with pytest.raises(ModelError) as error:
        read_models(tmp_path)
    assert str(error.value).startswith(f"{file}: ")
    assert message in str(error.value)
