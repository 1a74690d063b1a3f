"""The fixture of the SQL models' tests."""

from sql_warehouse import warehouse

__all__ = ["warehouse"]
