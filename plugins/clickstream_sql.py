"""A check with bound parameters. Airflow has this folder on every component's path."""

from airflow.providers.common.sql.operators.sql import SQLCheckOperator


class BoundSQLCheckOperator(SQLCheckOperator):
    """SQLCheckOperator whose bound parameters are templated, as SQLExecuteQueryOperator's are."""

    template_fields = (*SQLCheckOperator.template_fields, "parameters")
