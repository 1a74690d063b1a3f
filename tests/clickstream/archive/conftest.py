"""Spark for the archive's tests."""

from spark_delta import spark

__all__ = ["spark"]
