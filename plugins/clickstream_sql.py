"""SQL from files with bound parameters, and checks. Airflow has this folder on every component's path."""

from collections.abc import Mapping
from typing import Any

from airflow.providers.common.sql.operators.sql import (
    SQLCheckOperator,
    SQLColumnCheckOperator,
    SQLExecuteQueryOperator,
    SQLTableCheckOperator,
)

from clickstream.models import column_checks, read_models
from clickstream_assets import lineage


class BoundSQLCheckOperator(SQLCheckOperator):
    """SQLCheckOperator whose bound parameters are templated, as SQLExecuteQueryOperator's are."""

    template_fields = (*SQLCheckOperator.template_fields, "parameters")


def run_sql(task_id: str, parameters: dict[str, object], *files: str, **assets: list[Any]) -> SQLExecuteQueryOperator:
    """A task that runs files of the DAG's template_searchpath in one transaction and logs their results.

    `assets`: its inlets and outlets.
    """
    return SQLExecuteQueryOperator(
        task_id=task_id,
        sql="\n".join(f"{{% include '{file}' %}}" for file in files),
        parameters=parameters,
        split_statements=True,
        return_last=len(files) == 1,
        show_return_value_in_logs=True,
        **assets,
    )


def build(task_id: str, parameters: dict[str, object], *models: str) -> SQLExecuteQueryOperator:
    """A task that builds models in one transaction: the one that it is named after, or several."""
    models = models or (task_id,)
    return run_sql(task_id, parameters, *(f"{name}/query.sql" for name in models), **lineage(*models))


def check_sessions(start: str, end: str) -> SQLTableCheckOperator:
    """What holds for every session that began in [start, end), which are templates."""
    return SQLTableCheckOperator(
        task_id="check_sessions",
        table="clickstream.sessions",
        partition_clause=f"started_at >= '{start}' and started_at < '{end}'",
        checks={
            "page_views_are_events": {"check_statement": "coalesce(bool_and(page_views <= events), true)"},
            "revenue_has_a_purchase": {"check_statement": "coalesce(bool_and(converted or revenue_e4 = 0), true)"},
        },
    )


def check_columns(built: Mapping[str, str]) -> list[SQLColumnCheckOperator]:
    """The ranges that schema.yaml gives for columns, for each model that has some.

    `built`: hour, day or week, as the first such column of a model → the condition of the rows to look at.
    """
    return [
        SQLColumnCheckOperator(
            task_id=f"check_{name}",
            table=f"clickstream.{name}",
            column_mapping=column_checks(name),
            partition_clause=next(built[column] for column in model.columns if column in built),
        )
        for name, model in read_models().items()
        if model.checks
    ]
