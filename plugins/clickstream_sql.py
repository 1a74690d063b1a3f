"""SQL from files with bound parameters. Airflow has this folder on every component's path."""

from airflow.providers.common.sql.operators.sql import SQLCheckOperator, SQLExecuteQueryOperator


class BoundSQLCheckOperator(SQLCheckOperator):
    """SQLCheckOperator whose bound parameters are templated, as SQLExecuteQueryOperator's are."""

    template_fields = (*SQLCheckOperator.template_fields, "parameters")


def run_sql(task_id: str, parameters: dict[str, object], *files: str) -> SQLExecuteQueryOperator:
    """A task that runs files of the DAG's template_searchpath in one transaction and logs their results."""
    return SQLExecuteQueryOperator(
        task_id=task_id,
        sql="\n".join(f"{{% include '{file}' %}}" for file in files),
        parameters=parameters,
        split_statements=True,
        return_last=len(files) == 1,
        show_return_value_in_logs=True,
    )
