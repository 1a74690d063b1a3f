"""What the folders of `sql/models` say of their tables (`schema.yaml`), as a page of docs and as checks of columns."""

from pathlib import Path
from typing import Any

import msgspec

from clickstream.settings import settings


class ModelError(ValueError):
    """A schema.yaml that cannot be read: file and what is wrong."""


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column: PostgreSQL's type, what it means, and its unit where it has one."""

    type: str
    description: str
    unit: str | None = None


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the models. `checks` is a column_mapping of Airflow's SQLColumnCheckOperator."""

    table: str
    description: str
    grain: str
    usage: str
    columns: dict[str, Column]
    checks: dict[str, dict[str, dict[str, float]]] = {}


def read_models(folder: Path | None = None) -> dict[str, Model]:
    """The models of a folder (default `sql/models` of the checkout) by name, in order of their names.

    Raises:
        ModelError: a schema.yaml is not as declared above.
    """
    folder = folder or settings().home / "sql" / "models"
    models = {}
    for file in sorted(folder.glob("*/schema.yaml")):
        try:
            models[file.parent.name] = msgspec.yaml.decode(file.read_bytes(), type=Model)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise ModelError(f"{file}: {error}") from None
    return models


def column_checks(name: str) -> dict[str, dict[str, dict[str, float]]]:
    """The checks of a model's columns, as the operator takes them (it writes its results into them)."""
    checks: dict[str, Any] = msgspec.to_builtins(read_models()[name].checks)
    return checks


def as_markdown(models: dict[str, Model]) -> str:
    """`docs/models.md`: what each table holds, a row for each column."""
    parts = [_HEAD]
    for name, model in models.items():
        parts += [
            f"\n## {name}\n",
            f"{model.description}\n",
            f"- **Grain**: {model.grain}.",
            f"- **Use**: {model.usage}",
            f"- **SQL**: [`sql/models/{name}`](../sql/models/{name}/query.sql)\n",
            "| column | type | unit | meaning |",
            "|---|---|---|---|",
            *(
                f"| `{column}` | {about.type} | {about.unit or ''} | {about.description} |"
                for column, about in model.columns.items()
            ),
        ]
    return "\n".join(parts) + "\n"


_HEAD = """# SQL models

Tables of the schema `clickstream` that the DAG `clickstream_models` builds every five minutes, for what changed.
This page is made from the `schema.yaml` files: `clickstream models -o docs/models.md`.

**How they are built.** The transaction of the stream that stores a slice of events also notes the users and UTC dates
of the events (`model_changes`) and every UTC hour that they reach: of the events, of their arrival, and of the start of
each session that they touched, before and after the merge (`changed_hours`). A run takes these notes away
(`scope/claim.sql`), builds those users, hours and days from what is stored, checks them and forgets the notes
(`scope/release.sql`). A run that fails leaves them to the next. So a model has the same rows however often and in
whatever pieces it was run, late events included, and a run costs what changed, not what is stored. A run for a past
interval builds the hours of that interval again.

**Checks.** `checks.sql` of a model writes one row for each check into `check_results`; `fail` stops the run before its
notes are forgotten, `warn` is reported. A model is compared with the stream only in hours and days into which nothing
was written since the run began (`quiet_hours`, `model_days`): there, the two must agree exactly.
Operators of Airflow look at the ranges that `schema.yaml` gives, and at the sessions of the interval; their results are
kept in `check_results`, too, for `CLICKSTREAM_CHECKS_RETENTION_DAYS`.

**People and bots.** What counts events leaves out declared bots, what counts sessions leaves out bots of any kind and
quarantined sessions, unless a column says otherwise. Days, hours and weeks are UTC; a session belongs to the hour and
day of its start."""
