"""SQL from files with bound parameters, and checks. Airflow has this folder on every component's path."""

from collections.abc import Mapping
from typing import Any

from airflow.providers.common.sql.operators.sql import (
    BaseSQLOperator,
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


class _Kept(BaseSQLOperator):
    """Keeps the results of a check operator in `check_results`, passed or not, as those of checks.sql are."""

    def __init__(self, *, interval_end: str, **given: Any) -> None:
        super().__init__(**given)
        self.interval_end = interval_end

    def execute(self, context: Any) -> None:
        """Check; then keep what came out."""
        try:
            super().execute(context)
        finally:
            for found in self.check_results:
                name = f"{found.table.removeprefix('clickstream.')}: {found.name}"
                row = self.interval_end, name, "fail", found.success, found.actual, found.expected
                keep = "select clickstream.keep_check(%s::timestamptz, %s, %s, %s, %s, %s)"
                self.get_db_hook().run(keep, parameters=row)


class KeptTableCheckOperator(_Kept, SQLTableCheckOperator):
    """SQLTableCheckOperator that keeps its results."""

    template_fields = (*SQLTableCheckOperator.template_fields, "interval_end")


class KeptColumnCheckOperator(_Kept, SQLColumnCheckOperator):
    """SQLColumnCheckOperator that keeps its results."""

    template_fields = (*SQLColumnCheckOperator.template_fields, "interval_end")


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


def check_sessions(run: Mapping[str, str]) -> KeptTableCheckOperator:
    """What holds for every session that began in the run's interval, whose ends are templates."""
    return KeptTableCheckOperator(
        task_id="check_sessions",
        interval_end=run["interval_end"],
        table="clickstream.sessions",
        partition_clause=f"started_at >= '{run['interval_start']}' and started_at < '{run['interval_end']}'",
        checks={
            "page_views_are_events": {"check_statement": "coalesce(bool_and(page_views <= events), true)"},
            "revenue_has_a_purchase": {"check_statement": "coalesce(bool_and(converted or revenue_e4 = 0), true)"},
        },
    )


def check_columns(run: Mapping[str, str], built: Mapping[str, str]) -> list[KeptColumnCheckOperator]:
    """The ranges that schema.yaml gives for columns, for each model that has some.

    `built`: hour, day or week, as the first such column of a model → the condition of the rows to look at.
    """
    return [
        KeptColumnCheckOperator(
            task_id=f"check_{name}",
            interval_end=run["interval_end"],
            table=f"clickstream.{name}",
            column_mapping=column_checks(name),
            partition_clause=next(built[column] for column in model.columns if column in built),
        )
        for name, model in read_models().items()
        if model.checks
    ]
